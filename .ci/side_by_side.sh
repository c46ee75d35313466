# Runs steps (functions of the shell that reads this) in the background, each in a process group of its own, with its output in a file.
# What a step said is printed when it has ended. The first that fails is printed last: the others are ended and the run exits with 1.
# However the run ends (also by Ctrl-C or SIGTERM), no process and no file of a step stays.

scratch=$(mktemp -d)
chmod 755 "$scratch" # a step may become another user
mkdir "$scratch/output"
patience_s=20
declare -A running=() # process id -> step
declare -A started_s=()

side_by_side() { run_steps 2 "$@"; }
one_by_one() { run_steps 1 "$@"; }

run_steps() {
  local at_once=$1 step
  for step in "${@:2}"; do
    if [ "${#running[@]}" -ge "$at_once" ]; then await_one; fi
    start "$step"
  done
  while [ "${#running[@]}" -gt 0 ]; do await_one; done
}

start() {
  local step=$1
  mkdir -m 1777 "$scratch/$step"
  printf -- '-- %s: started (%ss)\n' "$step" "$SECONDS"
  started_s[$step]=$SECONDS
  # Job control gives the step a process group; without it again, Ctrl-C reaches this shell. Not within `if` or `||`, where `set -e` is off.
  set -m
  (
    set -euo pipefail
    export TMPDIR=$scratch/$step
    "$step"
    rm -rf "$TMPDIR" || true # by the step itself: an environment is many files, and the other step's end is not to wait for it
  ) >"$scratch/output/$step" 2>&1 </dev/null &
  running[$!]=$step
  set +m
}

# Asked one by one, because `wait -n` misses what ended before it is called.
await_one() {
  local pid status
  while :; do
    for pid in "${!running[@]}"; do
      if kill -0 "$pid" 2>/dev/null; then continue; fi
      status=0
      wait "$pid" || status=$?
      ended "$pid" "$status"
      return
    done
    sleep 0.3
  done
}

ended() {
  local pid=$1 status=$2 step=${running[$1]}
  unset "running[$pid]"
  if [ "$status" != 0 ]; then end_running; fi
  printf '\n== %s (%ss of %ss)\n' "$step" "$((SECONDS - started_s[$step]))" "$SECONDS"
  cat "$scratch/output/$step"
  if [ "$status" != 0 ]; then
    printf '\n== FAILED: %s (exit status %s)\n' "$step" "$status"
    exit 1
  fi
}

# Interrupted as by Ctrl-C, so that what they started is stopped by them; what is there after $patience_s is killed.
end_running() {
  local pid until_s=$((SECONDS + patience_s))
  for pid in "${!running[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true # the step's shell, which would go on with its next line
    kill -INT -- "-$pid" 2>/dev/null || true
  done
  while any_alive && [ "$SECONDS" -lt "$until_s" ]; do sleep 0.2; done
  for pid in "${!running[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done
  running=()
  # A process that is killed needs a moment to go; what it had just started is seen then.
  while [ -n "$(left_behind)" ]; do
    for pid in $(left_behind); do kill -KILL "$pid" 2>/dev/null || true; done
    sleep 0.1
  done
}

any_alive() {
  local pid
  for pid in "${!running[@]}"; do
    if kill -0 -- "-$pid" 2>/dev/null; then return 0; fi
  done
  return 1
}

# Process ids of what steps started and did not stop. A step's TMPDIR tells it from what this shell itself runs.
left_behind() { grep -lsz "^TMPDIR=$scratch/" /proc/[0-9]*/environ | cut -d/ -f3 || true; }

# The run may add what it has to stop itself.
stop_what_was_started() { :; }

clean_up() {
  local status=$?
  trap '' INT TERM HUP
  end_running
  stop_what_was_started
  rm -rf "$scratch"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
