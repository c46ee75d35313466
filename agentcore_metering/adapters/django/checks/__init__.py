"""The system checks: what would lose, delay or expose something is told before it does, one module for each thing that is looked at.

`apps` registers each; its module is imported when it is run. Nothing is made or changed, and LiteLLM is not loaded.
"""
