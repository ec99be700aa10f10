#!/bin/sh
# The prompt in a real terminal (tmux): readline's editing, completion with Tab, history, a repeated
# empty line, colours, ^C that clears a line and that stops a guest, ^D that ends.
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
server=vmm-test-$$
trap 'tmux -L "$server" kill-server 2>/dev/null; rm -rf "$work"' EXIT
bad=0

open() { # COMMAND: in a fresh terminal
    tmux -L "$server" kill-server 2>/dev/null
    for again in 1 2 3; do
        env -u TMUX -u NO_COLOR -u XDG_STATE_HOME HOME="$work" INPUTRC=/dev/null \
            tmux -L "$server" -f /dev/null new-session -d -x "${2:-110}" -y "${3:-50}" \
            "$1; echo status \$?; sleep 60" 2>"$work/tmux" && return
        sleep 0.5 # the server before may still be on its way out
    done
    echo "skipped: tmux cannot open a terminal here: $(cat "$work/tmux")"
    exit 77
}
screen() {
    tmux -L "$server" capture-pane -p "$@" -S -500
}
keys() {
    tmux -L "$server" send-keys "$@"
}
# sees PATTERN: waits until it is on the screen.
sees() {
    tries=0
    while [ $tries -lt 150 ]; do
        screen | grep -q -e "$1" && return
        sleep 0.1
        tries=$((tries + 1))
    done
    echo "'$1' does not appear:"
    screen | grep -v '^$'
    bad=1
}

# prompts: waits until the last line is an empty prompt.
prompts() {
    tries=0
    while [ $tries -lt 150 ]; do
        screen | grep -v '^$' | tail -n 1 | grep -qx '(vmm) *' && return
        sleep 0.1
        tries=$((tries + 1))
    done
    echo 'no prompt:'
    screen | grep -v '^$'
    bad=1
}

open "$build/vmm debug -t bare $build/guests/kernel-virt.elf"
prompts
sees "'help' lists the commands"

keys 'br' Tab
sees '^(vmm) break *$'
keys 'kernel_m' Tab Enter
sees '^Breakpoint 1 at 0x[0-9a-f]* <kernel_main>$'
keys 'run' Enter
sees '^Breakpoint 1, 0x'
keys 'step 2' Enter
prompts
keys 'echo one' Enter
sees '^one$'
keys 'contineu' Enter
sees "did you mean 'continue'"
keys 'technique ' Tab Tab
sees '^bare  *.*trap'
keys 'tr' C-c
sees '^(vmm) technique .*C$'
prompts
# Words, devices, files in folders, names with a hyphen, operands behind operators.
while read -r typed wanted; do
    keys -l "$(echo "$typed" | tr _ ' ')"
    keys Tab
    sees "^(vmm) $(echo "$wanted" | tr _ ' ') *$"
    keys C-u
done <<'END'
trace_s trace_save
info_dev info_devices
info_devices_u info_devices_uart
source_shell/tour source_shell/tour.vmm
reverse-c reverse-continue
print_4+$efl print_4+$eflags
catch_sens catch_sensitive
END
keys 'echo two' Enter
sees '^two$'
prompts
keys 'info reg' Tab Enter
sees '^eip 0x'
keys 'p $ef' Tab Enter
sees '^\$1 = 0x'
keys Up Up Enter
sees '^(vmm) info registers *$'
keys 'trap #PF' Enter
sees '^Trap 1: '
keys 'why' Enter
sees '^Handled by '
screen -e | grep -q '33mHandled by' || {
    echo 'no colour on a terminal'
    bad=1
}
keys C-d
sees '^status 0$'
grep -qx 'break kernel_main *' "$work/.local/state/vmm/history" || {
    echo "the history is not kept: $(cat "$work/.local/state/vmm/history")"
    bad=1
}

# ^C stops a guest that would run for ever, and the session goes on; NO_COLOR is honoured.
open "NO_COLOR=1 $build/vmm debug -t bare $build/guests/spin.elf"
prompts
keys 'run' Enter
sees '^| Spinning'
keys C-c
sees '^The guest was interrupted'
prompts
keys 'print 6 * 7' Enter
sees '^\$1 = 0x2a = 42$'
keys 'continue' Enter
sees '^(vmm) continue$'
keys C-c
tries=0
while [ $tries -lt 150 ] && [ "$(screen | grep -c '^The guest was interrupted')" -lt 2 ]; do
    sleep 0.1
    keys C-c
    tries=$((tries + 1))
done
prompts
keys 'why' Enter
sees 'There was no trap yet'
screen -e | grep -q '\[3[0-9]m' && {
    echo 'colour in spite of NO_COLOR'
    bad=1
}
prompts
keys 'quit' Enter
sees '^status 0$'

# ---- the first hour: what docs/repl.md shows is what the screen shows ----

# session: the block of docs/repl.md below "A first session", without its indentation.
session() {
    awk '/^## / { on = /A first session/ } on && /^    / { print substr($0, 5) }' docs/repl.md | sed -n '/^(vmm) hlep/,/^(vmm) quit/p'
}
# What compilers and versions decide about is left out: numbers, instructions, and where in the source
# a step ends.
plain() {
    sed -E -e 's/ +$//' -e 's/0x[0-9a-f]+|[0-9a-f]*[0-9][0-9a-f]*/N/g' \
        -e '/^(=>|Trap N: |  )/s/(<[a-z_A-Z0-9+]*>).*/\1/' |
        sed -E '/^$|^=>|^   [a-z_]+\.[cS]:N|^(eip|eflags) N/d'
}
# answers N: waits for the prompt behind the answer to the Nth command.
answers() {
    tries=0
    while [ $tries -lt 300 ] && [ "$(screen -J -S -2000 | grep -c '^(vmm)')" -le "$1" ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    prompts
}
open "$build/vmm debug $build/guests/kernel-virt.elf" 220 50
prompts
typed=0
session >"$work/doc"
sed -n 's/^(vmm) \{0,1\}//p' "$work/doc" >"$work/commands"
while IFS= read -r command; do
    keys -l "$command"
    keys Enter
    typed=$((typed + 1))
    if [ "$command" = quit ]; then
        sees '^status 0$'
    else
        answers $typed
    fi
done <"$work/commands"
[ $typed -ge 30 ] || {
    echo "only $typed commands are typed"
    bad=1
}
screen -J -S -2000 | sed -n '/^(vmm) hlep/,/^(vmm) quit/p' | sed -E 's/ +$//' >"$work/screen"
[ -n "${VMM_WRITE:-}" ] && cp "$work/screen" "$VMM_WRITE"
plain <"$work/doc" >"$work/wanted"
plain <"$work/screen" >"$work/seen"
diff "$work/wanted" "$work/seen" || {
    echo 'the screen is not as docs/repl.md shows it'
    bad=1
}

# ---- the full screen: every part is there, it follows the window, and leaves the terminal as it was ----

open "$build/vmm debug $build/guests/kernel-virt.elf" 80 24
prompts
keys 'screen' Enter
sees '─ traps'
keys t
sees '1 r[0-3] [a-z_]*: '
for part in 'registers' 'code: tests/guests/kernel/boot.S' 'address space' 'console' 'translation  : command' 'cr0 N*'; do
    sees "$part"
done
keys x
sees 'The code at EIP has no translation'
keys w
sees 'Handled by   Walk D-A'
keys q
sees '─ registers'
keys ':'
keys -l 'info vm'
keys Enter
sees 'virtual time'
keys x
sees '─ console'
keys ':'
keys -l 'brek x'
keys Enter
sees "did you mean 'break'"
tmux -L "$server" resize-window -x 200 -y 50
sees 'vm0 ring0'
tmux -L "$server" resize-window -x 40 -y 10
sees 'This needs 16 rows'
tmux -L "$server" resize-window -x 40 -y 24
for part in '^─ registers' '^─ address space' '^─ code' '^─ traps' '^─ console' '^cr0 ' '^ s n f t c w x'; do
    sees "$part"
done
keys w
sees '^Trap 1 of this guest'
sees ' in ring 0\.$'
keys q
tmux -L "$server" resize-window -x 80 -y 24
sees '^─ registers'
sees '─ traps.*─$'
keys c
sees 'exit code 0'
sees 'page frames were lost'
keys q
prompts
keys -l 'print 6 * 7'
keys Enter
sees '^$1 = 0x2a = 42$'
keys C-d
sees '^status 0$'

# ^C stops the guest behind the screen, and does nothing where none runs.
open "$build/vmm debug -t bare $build/guests/spin.elf" 100 30
prompts
keys 'screen' Enter
sees '─ traps'
keys c
sees 'C stops the guest'
keys C-c
sees 'The guest was interrupted'
sees 'Spinning'
keys C-c
sees 'The guest was interrupted'
keys ':'
keys -l 'quit'
keys Enter
sees '^status 0$'
exit $bad
