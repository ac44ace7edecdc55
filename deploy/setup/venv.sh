#!/bin/sh
# Makes .venv from the hash-locked requirements.lock; invokew calls it when the two differ. All it says goes to stderr.
set -eu
cd "$(dirname "$0")/../.."
# What others print too; find_python alone answers on stdout.
exec >&2

oldest='3, 11'

say() { printf 'invokew: %s\n' "$*" >&2; }

# What failed, then commands to type, one an argument; the exit code is 2.
refuse() {
  say "$1"
  shift
  for line; do printf '    %s\n' "$line" >&2; done
  exit 2
}

run() {
  printf '+ %s\n' "$*"
  "$@" < /dev/null
}

find_python() {
  for name in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$name" -c "import sys; sys.exit(sys.version_info < ($oldest))" 2> /dev/null; then
      command -v "$name"
      return
    fi
  done
  refuse "Python 3.11 or newer is needed, and there is none in PATH. On Debian or Ubuntu:" \
    "sudo apt-get update && sudo apt-get install python3 python3-venv"
}

# Debian and Ubuntu keep ensurepip in a package of its own.
ensure_venv_module() {
  "$python" -c 'import ensurepip, venv' 2> /dev/null && return
  package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if ! command -v apt-get > /dev/null; then
    refuse "$python has no module ensurepip, and this machine has no apt-get: install it, or a Python that has it."
  elif [ "$(id -u)" != 0 ] || [ "${JARSHIP_SETUP:-}" = never ]; then
    refuse "$python has no module ensurepip. Type:" \
      "sudo apt-get update" "sudo apt-get install -y --no-install-recommends $package"
  fi
  say "$python has no module ensurepip: installing $package."
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
  run apt-get -qq update
  run apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$package"
}

mkdir -p .jarship
python=$(find_python)

# One at a time: the lock is held by this shell's descriptor 9, and so goes when it ends, however that is.
exec 9> .jarship/venv.lock
"$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
cp requirements.lock .jarship/requirements.lock
if [ -x .venv/bin/python ] && cmp -s .jarship/requirements.lock .venv/requirements.lock; then
  exit 0
fi

ensure_venv_module
say "making .venv from requirements.lock with $("$python" --version), once."
# The mark goes first and comes last: what is made half is made anew.
rm -rf .venv
"$python" -m venv .venv 9>&-
if ! .venv/bin/python -m pip --quiet --disable-pip-version-check --no-input install --no-user \
  --require-hashes --requirement .jarship/requirements.lock 9>&- < /dev/null; then
  say "pip could not install requirements.lock: see above; ./invokew tries again."
  exit 4
fi
mv .jarship/requirements.lock .venv/requirements.lock
