"""What metering adds to a call, against bare LiteLLM: `provider` answers, `host` sets up, `shapes` calls, `peers` meter too, `measure` tells."""
