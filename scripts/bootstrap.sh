#!/bin/sh
# Bring the environment (.venv) up to date with uv.lock, from nothing but a Python with pip.
#
# uv itself is taken from the PATH if it is recent enough (tool.uv.required-version), else installed
# into .uv/. pip's and uv's own variables and configuration files (indexes, certificates) are honoured.
set -eu
cd "$(dirname "$0")/.."

# A Python is never downloaded; what is installed is byte-compiled (TensorFlow starts 3 times faster).
unset PYTHONDONTWRITEBYTECODE VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
export UV_COMPILE_BYTECODE=1 UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never

refuse() {
    printf '%s\n  allowed: %s\n  to do:   %s\n' "$1" "$2" "$3" >&2
    exit 7 # Exit.ENVIRONMENT
}

fits() { # Does this uv start, know tool.uv.required-version, and meet it?
    "$1" --version >/dev/null 2>&1 && ! "$1" python find 2>&1 | grep -qi 'required.*version'
}

install_uv() { # Debian's pip may not touch the system's packages but may fill a directory of ours.
    "$1" -m pip install --quiet --target .uv uv && return
    # No pip: an environment brings its own, if Python's ensurepip is installed.
    "$1" -m venv --clear .uv && .uv/bin/python -m pip install --quiet uv
}

find_uv() {
    fits .uv/bin/uv && return
    rm -rf .uv
    if uv=$(command -v uv) && fits "$uv"; then
        mkdir -p .uv/bin && ln -s "$uv" .uv/bin/uv
        return
    fi
    echo "Installing uv into .uv/"
    for python in python3 python3.11 /usr/bin/python3; do
        "$python" -c '' 2>/dev/null || continue # a pyenv shim may have nothing behind it
        install_uv "$python" && fits .uv/bin/uv && return
        break
    done
    rm -rf .uv
    refuse "No uv, and neither 'pip install --target' nor 'python3 -m venv' could install one." \
        "a uv on the PATH, a python3 with pip, or a python3 with ensurepip" \
        "on Debian and Ubuntu: apt install python3-pip (the messages above say what failed)"
}

find_uv
python=$(cat .python-version)
.uv/bin/uv python find --quiet "$python" >/dev/null || refuse \
    "No Python $python on this machine: the locked TensorFlow and TFX wheels are built for it." \
    "any Python $python on the PATH" \
    "apt install python3.11 python3-pip (Debian 12), or pyenv install $python"
sync() { .uv/bin/uv sync --frozen --extra tfx --extra ci "$@"; }
sync --check --quiet >/dev/null 2>&1 && exit # asking is quicker than byte-compiling once more
[ -d .venv ] || echo "Creating .venv: about 3 GB, some minutes the first time"
sync
