#!/bin/sh
# Make ./.venv and install Sightline into it, editable, with the extras named: install-python.sh torch tensorflow ...
#
# Takes milliseconds when nothing changed: .venv/.installed/<key>/<extra> marks what is done, and the key changes with
# pyproject.toml, constraints.txt and the folder. PYTHON names the interpreter.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3.11}
venv=.venv

if [ ! -x $venv/bin/python ] && ! command -v "$python" >/dev/null; then
    echo "$python was not found; install Python 3.11 (Debian 12: apt-get install python3-venv)," \
        "or name another: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi

mkdir -p $venv
if command -v flock >/dev/null; then # two makes at once: the second waits, then finds it done
    exec 9>$venv/.lock
    flock 9
fi

key=$({ pwd && cat pyproject.toml constraints.txt; } | cksum | cut -d' ' -f1)
marks=$venv/.installed/$key

if ! $venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "Making ./$venv with $(command -v "$python")"
    rm -rf $venv/.installed
    "$python" -m venv $venv || {
        echo "$python cannot make virtual environments (Debian 12: apt-get install python3-venv)" >&2
        exit 1
    }
fi

todo='' gstreamer=''
for extra in "$@"; do
    [ ! -e "$marks/$extra" ] || continue
    case $extra in
        gstreamer | edge)
            # Elsewhere than on Linux its wheel brings all; on Linux it is built against the system's GStreamer.
            if [ "$(uname -s)" != Linux ] || sh docker/install-apt.sh --have gstreamer; then
                gstreamer="${gstreamer:+$gstreamer,}$extra"
            fi
            ;;
        *) todo="${todo:+$todo,}$extra" ;;
    esac
done

install() { # the extras of one pip run, comma-separated; a small box gets bytecode of what it uses alone
    compile=''
    [ "$1" != edge ] || compile=--no-compile
    mkdir -p $venv/tmp # pip unpacks gigabytes: not on a small /tmp
    TMPDIR=$PWD/$venv/tmp $venv/bin/python -m pip install --quiet --quiet --progress-bar off --no-input \
        --disable-pip-version-check --constraint constraints.txt $compile \
        --editable ".[$1]" </dev/null
}

mark() {
    mkdir -p "$marks"
    for done in $(echo "$1" | tr ',' ' '); do : >"$marks/$done"; done
}

started=$(date +%s)
if [ -n "$todo" ]; then
    echo "Installing into ./$venv: $todo"
    for path in $venv/lib/python*/site-packages/torch; do
        case $todo:$path in
            *torch*:*'*'*) echo "This downloads 3.9 GB of Python packages (3 GB of them torch's CUDA build, which runs on a CPU" \
                "too; 0.6 GB TensorFlow), takes 8.3 GB on disk and some minutes, without further output." ;;
        esac
    done
    install "$todo"
    mark "$todo"
fi
if [ -n "$gstreamer" ]; then
    echo "Installing into ./$venv: $gstreamer (PyGObject is compiled, half a minute)"
    if install "$gstreamer" >$venv/gstreamer.log 2>&1; then
        mark "$gstreamer"
    else
        echo "PyGObject could not be built, see $venv/gstreamer.log; videos are decoded by OpenCV instead of GStreamer."
    fi
fi
if [ -n "$todo$gstreamer" ]; then
    rm -rf $venv/tmp
    echo "Installed in $(($(date +%s) - started)) s."
    find $venv/.installed -mindepth 1 -maxdepth 1 ! -name "$key" -exec rm -rf {} +
fi
