# The steps of `.ci/run`, one function each, and what they share. Read by it: $root is the checkout, $scratch is removed at the end,
# $TMPDIR is the step's own.

# --- before the others

environment() {
  make .venv/.installed-dev
  .venv/bin/python -m build --wheel --outdir "$scratch/dist" . >/dev/null
}

debian_packages() {
  if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null
  fi
  unpack_servers
}

# From Debian's stable release beside this machine's own, unpacked and not installed: nothing else of it is taken.
unpack_servers() {
  local tools=$scratch/tools mirror
  mkdir -p "$tools/lists/partial" "$tools/cache/archives/partial" "$tools/root" "$tools/docker/cli-plugins"
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep '/debian/*$' | head -1 || true)
  cat >"$tools/apt.conf" <<CONF
Dir::Etc::sourcelist "$tools/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$tools/lists";
Dir::Cache "$tools/cache";
Acquire::Languages "none";
CONF
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:?no Debian source on this machine} trixie main" >"$tools/sources.list"
  cd "$tools"
  export APT_CONFIG="$tools/apt.conf"
  apt-get update -qq
  apt-get download -qq -o APT::Sandbox::User=root victoria-metrics prometheus promtool docker-compose
  for package in *.deb; do dpkg -x "$package" root; done
  cp root/usr/libexec/docker/cli-plugins/docker-compose docker/cli-plugins/
}

# --- the checkout itself

suite() { make test ARGS="-q"; } # as a newcomer runs it
rules() { make lint; }
types() { make types; }
imports() { make imports; }
migrations() { make migrations; }
demonstration() { make demo ONCE=1; }
forking_processes() { INTEROP=1 .venv/bin/python -m pytest -q -p no:cacheprovider tests/interop/test_processes.py; }

suite_on_postgresql() {
  local url
  url=$(database suite)
  DATABASE_URL=$url .venv/bin/python -m pytest -q -p no:cacheprovider tests/django tests/crash
}

# Rules and panels are run by Prometheus' and VictoriaMetrics' engines.
real_servers() {
  local url
  url=$(database servers)
  say_without_collector "what needs the whole deployment"
  PATH="$PATH:$scratch/tools/root/usr/bin" DOCKER_CONFIG="$scratch/tools/docker" OTELCOL_BIN=$otelcol DATABASE_URL=$url \
    .venv/bin/python -m pytest -q -p no:cacheprovider -m "servers or not servers" tests/grafana
}

# --- the checkout with other releases

# Each exactly as old as pyproject.toml allows. What they do not do right themselves is skipped with its reason (tests/older_releases.py).
oldest_releases() {
  python3 -m venv "$TMPDIR/venv"
  "$TMPDIR/venv/bin/pip" install --quiet --disable-pip-version-check -e . -r tests/constraints/oldest.txt
  "$TMPDIR/venv/bin/python" -m pytest -q -p no:cacheprovider tests/core tests/telemetry tests/delivery tests/django
}

another_python() {
  local another= name
  for name in python3.13 "$HOME"/.pyenv/versions/3.13*/bin/python3.13 python3.12 "$HOME"/.pyenv/versions/3.12*/bin/python3.12; do
    # Asked to run, because a version manager may have a name for one that it does not give.
    if "$name" -c 'import sys; sys.exit(sys.version_info[:2] == (3, 11))' 2>/dev/null; then another=$name && break; fi
  done
  if [ -z "$another" ]; then
    echo "There is no python3.13 or python3.12 on this machine: SKIPPED."
    return
  fi
  "$another" -m venv "$TMPDIR/venv"
  install "$TMPDIR/venv" -e '.[dev]'
  "$TMPDIR/venv/bin/python" -m pytest -q -p no:cacheprovider tests/core tests/telemetry tests/delivery tests/django/trackers
}

# --- the wheel, away from the checkout

wheel() {
  beside_the_wheel pytest pytest-django pytest-timeout pytest-randomly hypothesis
  "$TMPDIR/venv/bin/python" -m pytest -q -m smoke tests/django tests/contract
}

beside_other_instrumentations() {
  beside_the_wheel -r tests/interop/requirements.txt
  say_without_collector "what goes through one"
  INTEROP=1 OTELCOL_BIN=$otelcol "$TMPDIR/venv/bin/python" -m pytest -q tests/interop
}

# A store of traces with a price book of its own, read back.
trace_store() {
  beside_the_wheel -r tests/interop/requirements.txt
  python3 -m venv "$TMPDIR/phoenix"
  "$TMPDIR/phoenix/bin/pip" install --quiet --disable-pip-version-check -r tests/interop/phoenix.txt
  INTEROP=1 OTELCOL_BIN=$otelcol PHOENIX_BIN="$TMPDIR/phoenix/bin/phoenix" \
    "$TMPDIR/venv/bin/python" -m pytest -q tests/interop/test_phoenix.py
}

generated_requests() {
  beside_the_wheel -r tests/fuzz/requirements.txt
  FUZZ=1 FUZZ_EXAMPLES=150 FUZZ_LEAST_CASES=5000 "$TMPDIR/venv/bin/python" -m pytest -q -s --ds=tests.fuzz.settings tests/fuzz
}

# --- the side-channel, by the clock

faults() { make chaos SECONDS=20; }
planted_bugs() { make chaos-selftest; }
caller_latency() { make latency ARGS="--calls 300 --frozen 3 --slack 50"; }
backlog_drained() { make backlog ARGS="--calls 10000 --slack 20"; }

# --- what they share

# The same releases of everything on every machine: a release of another project is met where somebody decides to.
install() { "$1/bin/pip" install --quiet --disable-pip-version-check --constraint "$root/tests/constraints/tested.txt" "${@:2}"; }

# A clean environment with the wheel and the named packages, and the working directory a copy of the tests without the package's source.
beside_the_wheel() {
  python3 -m venv "$TMPDIR/venv"
  install "$TMPDIR/venv" "$(ls "$scratch"/dist/*.whl)[otel]" "$@"
  mkdir "$TMPDIR/elsewhere"
  cp -r tests example otel pyproject.toml "$TMPDIR/elsewhere/"
  cd "$TMPDIR/elsewhere"
}

# The collector is a file that OTELCOL_BIN names, or one beside the checkout.
otelcol=${OTELCOL_BIN:-$root/../shared/tools/otelcol-ci}
if [ ! -x "$otelcol" ]; then otelcol=; fi
say_without_collector() {
  if [ -z "$otelcol" ]; then echo "There is no OpenTelemetry Collector (OTELCOL_BIN names none): $1 is SKIPPED."; fi
}

# Each suite makes test_NAME of the database that it is given: two at once need two names.
database() {
  "$(postgresql_programs)/createdb" -h 127.0.0.1 -p "$postgresql_port" -U postgres "$1"
  echo "postgresql://postgres@127.0.0.1:$postgresql_port/$1"
}
postgresql_programs() { ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1; }
# PostgreSQL refuses to run as root.
as_postgres=()
if [ "$(id -u)" = 0 ]; then as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups); fi

postgresql_port=
postgresql_pid=
start_postgresql() {
  local programs directory=$scratch/postgresql
  programs=$(postgresql_programs)
  postgresql_port=$(.venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  mkdir "$directory"
  if [ "$(id -u)" = 0 ]; then chown postgres "$directory"; fi
  (cd "$directory" && "${as_postgres[@]}" "$programs/initdb" -D "$directory/data" -U postgres -A trust -E UTF8 --no-sync >/dev/null)
  # A process group of its own: Ctrl-C is for this shell, which stops it after the steps. No function around it: its pid is the server's.
  set -m
  "${as_postgres[@]}" "$programs/postgres" -D "$directory/data" -c listen_addresses=127.0.0.1 -c port="$postgresql_port" \
    -c unix_socket_directories="$directory" -c fsync=off >"$directory/log" 2>&1 </dev/null &
  postgresql_pid=$!
  set +m
  for _ in $(seq 100); do
    if "$programs/pg_isready" -q -h 127.0.0.1 -p "$postgresql_port"; then return; fi
    sleep 0.1
  done
  cat "$directory/log"
  return 1
}

stop_what_was_started() {
  if [ -z "$postgresql_pid" ]; then return; fi
  kill -INT "$postgresql_pid" 2>/dev/null || true
  wait "$postgresql_pid" 2>/dev/null || true
}
