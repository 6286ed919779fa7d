# Sourced by ci/test and ci/demo from the root of the repository.
# make_venv EXTRAS: .venv holds the package, with the extras named ("" or "[test]").

make_venv() {
  local extras=$1 python=${PYTHON:-python3} stamp
  if [[ ! -x .venv/bin/python ]]; then
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      echo "bids_labelx needs Python 3.11 or newer; $python is $("$python" --version 2>&1)." \
        "Name another one: PYTHON=python3.12 $0" >&2
      return 1
    fi
    "$python" -m venv .venv
  fi
  # A stamp spares the installation as long as what pyproject.toml asks for stays the same;
  # what the tests need includes what the demo needs.
  for stamp in ".venv/installed${extras}.toml" ".venv/installed[test].toml"; do
    if cmp -s pyproject.toml "$stamp"; then return; fi
  done
  .venv/bin/python -m pip install -q --disable-pip-version-check -e ".${extras}"
  cp pyproject.toml ".venv/installed${extras}.toml"
}
