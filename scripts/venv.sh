# Sourced by demo, test, label-env and .ci/run, from the root of the repository.
#   PYTHON                  the interpreter to use (default: python3, or the newest of python3.13 .. python3.10)
#   KNEEBUNDLE_TORCH_INDEX  a further package index to take torch from, for instance
#                           https://download.pytorch.org/whl/cpu for the much smaller build without CUDA

die() {
    echo "$*" >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    die "kneebundle needs Python 3.10 or newer, found ${PYTHON:-python3}: $("${PYTHON:-python3}" --version 2>/dev/null || echo none); install one and name it: PYTHON=python3.12 $0"
}

# create_venv PYTHON DIR: Debian and Ubuntu ship Python without pip and ensurepip; pip then comes from PyPI.
create_venv() {
    if "$1" -c 'import ensurepip, venv' 2>/dev/null; then
        "$1" -m venv --clear "$2"
    else
        "$1" -m venv --clear --without-pip "$2" && "$2/bin/python" scripts/bootstrap_pip.py
    fi || die "cannot make a virtual environment with $1; on Debian or Ubuntu: sudo apt-get install python3-venv"
}

# ensure_venv DIR PIP_ARGUMENT...: installs into DIR what constraints.txt pins, unless it was done for the same files before.
ensure_venv() {
    local dir=$1 python stamp log
    shift
    python=$(find_python) || exit 1
    stamp=$({ echo "$PWD $* ${KNEEBUNDLE_TORCH_INDEX:-}" && "$python" -VV && cat pyproject.toml constraints.txt; } | cksum)
    [ "$(cat "$dir/stamp" 2>/dev/null)" = "$stamp" ] && return
    log=$dir/install.log
    echo "Installing into $dir (once, a few minutes; progress in $log) ..."
    create_venv "$python" "$dir"
    {
        "$dir/bin/python" -m pip install --constraint constraints.txt \
            ${KNEEBUNDLE_TORCH_INDEX:+--extra-index-url "$KNEEBUNDLE_TORCH_INDEX"} torch &&
            "$dir/bin/python" -m pip install --constraint constraints.txt \
                ${KNEEBUNDLE_TORCH_INDEX:+--extra-index-url "$KNEEBUNDLE_TORCH_INDEX"} "$@"
    } >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        die "the installation failed; all of its output is in $log"
    }
    echo "$stamp" >"$dir/stamp"
}

ensure_test_venv() {
    ensure_venv .venv-test --editable '.[dev]'
}
