#!/bin/sh
# Debian packages beside Python's (docker/apt-packages.txt).
#
#   install-apt.sh                  install what is missing, where that can be done; otherwise say in one line what is
#                                   missing and what is used instead. Ends with 0 either way.
#   install-apt.sh --only build     those that the list marks so (build or run), for an image; exit status 1 where one is
#                                   still missing
#   install-apt.sh --have gstreamer exit status 0 if all that the gstreamer extra needs is there; installs nothing
set -eu
list=$(dirname "$0")/apt-packages.txt
python=$(command -v "${PYTHON:-python3.11}" || true)
only=''
[ "${1:-}" != --only ] || only=$2

wanted() {
    if [ -n "$only" ]; then
        packages=$(sed -n "s/ *# $only\$//p" "$list")
    else
        packages=$(sed 's/#.*//' "$list")
    fi
    for package in $packages; do
        case $package:$python in
            python3-dev:/usr/bin/* | python3-venv:/usr/bin/*) echo "$package" ;;
            python3-dev:* | python3-venv:*) ;; # another Python brings its own
            *) echo "$package" ;;
        esac
    done
}

missing() {
    # shellcheck disable=SC2046 # names have no spaces
    there=$(dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' $(wanted) 2>/dev/null || true)
    for package in $(wanted); do
        printf '%s\n' "$there" | grep -qx "$package installed" || echo "$package"
    done
}

instead() { # what is used in place of the packages named
    video='' broker='' page='' needed=''
    for package in "$@"; do
        case $package in
            libgl1 | libglib2.0-0) needed='OpenCV does not start without libgl1 and libglib2.0-0; ' ;;
            python3-venv) needed="${needed}make needs python3-venv; " ;;
            mosquitto*) broker='the embedded broker serves; ' ;;
            chromium) page='the page is not tested; ' ;;
            *) video='OpenCV decodes videos; ' ;;
        esac
    done
    printf 'Instead: %s%s%stests that need what is missing are skipped and say so.' "$video" "$broker" "$page"
    [ -z "$needed" ] || printf ' Without a way around: %s.' "${needed%; }"
}

if [ "${1:-}" = --have ]; then
    if ! command -v dpkg-query >/dev/null; then
        command -v pkg-config >/dev/null || exit 1
        exec pkg-config --exists gobject-introspection-1.0 cairo
    fi
    [ -z "$(missing | grep -vE '^(mosquitto|chromium|libgl1|libglib2)')" ]
    exit
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "Not a Debian system: GStreamer and Mosquitto are taken as they are; without them" \
        "videos are decoded by OpenCV, the embedded broker serves, and tests that need them are skipped and say so."
    exit 0
fi

left=$(missing)
[ -n "$left" ] || exit 0

# shellcheck disable=SC2086 # one word a package
named=$(echo $left)
if [ "$(id -u)" = 0 ]; then
    root=''
elif sudo -n true 2>/dev/null; then
    root='sudo -n'
else
    root=none
    reason='this needs root, and sudo asks for a password'
    command -v sudo >/dev/null || reason='this needs root'
fi
if [ "$root" != none ]; then
    echo "Installing from Debian: $named"
    log=$(mktemp)
    apt="$root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120"
    $apt update >"$log" 2>&1 </dev/null || true # what it knows already may do
    known=$(for package in $left; do
        if apt-cache show "$package" >/dev/null 2>&1; then echo "$package"; fi
    done)
    # shellcheck disable=SC2086
    [ -z "$known" ] || $apt install --no-install-recommends $known >>"$log" 2>&1 </dev/null || true
    left=$(missing)
    if [ -z "$left" ]; then
        rm -f "$log"
        exit 0
    fi
    reason="apt-get did not bring them, see $log"
    # shellcheck disable=SC2086
    named=$(echo $left)
fi
# shellcheck disable=SC2086
echo "Not installed: $named ($reason). $(instead $left)" \
    "By hand: apt-get install --no-install-recommends $named"
[ -z "$only" ]
