#!/bin/sh
# The progress of a long run: a line on a terminal (tmux) that is wiped away at the end, none where the
# guest's console is on the terminal too, and nothing in a file.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
command -v tmux >/dev/null 2>&1 || {
    echo 'skipped: tmux is not installed'
    exit 77
}
[ -x "$build/vmm" ] && [ -e "$build/guests/spin.elf" ] || {
    echo 'skipped: the program or its guests are not built'
    exit 77
}
work=$(mktemp -d)
server=vmm-progress-$$
trap 'tmux -L "$server" kill-server 2>/dev/null; rm -rf "$work"' EXIT
bad=0

open() { # COMMAND: in a fresh terminal
    tmux -L "$server" kill-server 2>/dev/null
    env -u TMUX tmux -L "$server" -f /dev/null new-session -d -x 110 -y 50 "$1; echo status \$?; sleep 60" || {
        echo 'skipped: tmux cannot open a terminal here'
        exit 77
    }
}
screen() {
    tmux -L "$server" capture-pane -p
}
sees() { # PATTERN: waits until it is on the screen
    tries=0
    while [ $tries -lt 300 ]; do
        screen | grep -q -e "$1" && return
        sleep 0.1
        tries=$((tries + 1))
    done
    echo "'$1' does not appear:"
    screen | grep -v '^$'
    bad=1
}
line='^[0-9.]* s: [0-9.]* million instructions, [0-9.]* million a second, [0-9.]* s virtual$'

# ^C ends it; the line is gone then.
open "$build/vmm run -t bare $build/guests/spin.elf >$work/console"
sees "$line"
tmux -L "$server" send-keys C-c
sees '^status 1$'
sees '^vmm run: The guest was interrupted'
screen | grep -q 'million a second' && {
    echo 'the line is still there'
    bad=1
}
grep -qx 'Spinning.' "$work/console" || {
    echo "the console: $(cat "$work/console")"
    bad=1
}

open "$build/vmm run -t bare $build/guests/spin.elf"
sees '^Spinning'
sleep 1
screen | grep -q 'million' && {
    echo 'progress among the lines of the console'
    bad=1
}
tmux -L "$server" send-keys C-c
sees '^status 1$'

"$build/vmm" run -t bare --max-instructions 300000000 "$build/guests/spin.elf" >"$work/console" 2>"$work/errors" </dev/null
grep -q 'million' "$work/console" "$work/errors" && {
    echo 'progress in a file'
    bad=1
}
exit $bad
