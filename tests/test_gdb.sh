#!/bin/sh
# `vmm gdb` and the real gdb: breakpoints at symbols, steps, registers, memory, a watchpoint, monitor
# commands, detaching and coming back, ^C, under every technique; who may connect; and that
# garbage on the line ends nothing.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
vmm=$build/vmm
guests=$build/guests
[ -x "$vmm" ] && [ -e "$guests/kernel-virt.elf" ] || {
    echo 'skipped: the program or its guests are not built'
    exit 77
}
work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
export HOME="$work"
bad=0
fail() {
    echo "$*"
    bad=1
}
kernel=$guests/kernel-virt.elf

# ---- the command line ----

for options in "" "--listen 0.0.0.0:0 $kernel" "--listen nowhere $kernel" "--listen :x $kernel" \
    "--listen unix: $kernel" "--clock host $kernel" "$kernel b" "--unknown"; do
    # shellcheck disable=SC2086 # options are words
    timeout 20 "$vmm" gdb $options >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] ||
        fail "gdb $options: status $status: $(cat "$work/err")"
done
timeout 20 "$vmm" gdb --listen unix:/nonexistent/socket "$kernel" >"$work/out" 2>"$work/err"
[ $? = 1 ] && [ "$(wc -l <"$work/err")" = 1 ] || fail "a socket nowhere: $(cat "$work/err")"

# ---- with gdb ----

command -v gdb >/dev/null 2>&1 || {
    [ $bad = 0 ] || exit 1
    echo 'skipped: gdb is not installed'
    exit 77
}

tries=$(seq 200) # of a twentieth of a second
# serve OPTION...: starts a server; `address` is where.
serve() {
    : >"$work/server.err"
    "$vmm" gdb "$@" </dev/null >"$work/console" 2>"$work/server.err" &
    server=$!
    address=
    for _ in $tries; do
        address=$(sed -n 's/.*target remote //p' "$work/server.err")
        [ -z "$address" ] || return 0
        sleep 0.05
    done
    fail "the server does not listen: $(cat "$work/server.err")"
}
# ends STATUS: the server does, with this status.
ends() {
    wait "$server"
    status=$?
    server=
    [ $status = "$1" ] || fail "the server's status is $status, not $1: $(cat "$work/server.err")"
}
# gdb_with IMAGE: commands on standard input, after having connected.
gdb_with() {
    {
        printf 'set pagination off\nset confirm off\nset remotetimeout 20\n'
        printf 'target remote %s\n' "$address"
        cat
    } >"$work/script"
    timeout 120 gdb -nx -q -batch -x "$work/script" "$1" >"$work/out" 2>&1 </dev/null
}
shows() { # PATTERN...: each is in what gdb said
    for pattern in "$@"; do
        grep -q -e "$pattern" "$work/out" || fail "'$pattern' is not shown ($technique): $(cat "$work/out")"
    done
}

# Every technique, hw with both kinds of tables, para with its own build of the kernel.
techniques=$("$vmm" run --help | sed -n 's/^Techniques: //p' | sed 's,(default),,; s,hw,hw:nested hw:shadow,')
[ -n "$techniques" ] || fail 'the techniques are not listed'
choose() { # TECHNIQUE[:MMU]: $options, $kernel
    technique=$1
    options="-t $(echo "$1" | sed 's/:/ --mmu /')"
    kernel=$guests/kernel-virt.elf
    [ "$1" = para ] && kernel=$guests/kernel-para.elf
}
plain() { # a run without gdb
    # shellcheck disable=SC2086 # options are words
    timeout 60 "$vmm" run $options "$kernel" </dev/null >"$work/plain" 2>/dev/null
}

# Stops, steps, registers, memory, and a guest that does not notice.
for configuration in $techniques; do
    choose "$configuration"
    # shellcheck disable=SC2086 # options are words
    serve --listen unix:"$work/socket" $options "$kernel"
    gdb_with "$kernel" <<'END'
info symbol $pc
info registers
break kernel_main
hbreak proc_start_first
continue
stepi
x/2i $pc
set $ebx = 0x1234
print/x $ebx
set {int}($esp - 64) = 0x11223344
x/xw $esp - 64
dump binary memory /dev/null kernel_main kernel_main+5000
info threads
monitor walk $esp
monitor technique
monitor wolk
monitor help
continue
info registers cr0 cr3 cpl
print $eflags
detach
END
    shows '^_start in section' '^cr3 .*0x0' '^cpl .*0x0' 'Breakpoint 1, .*kernel_main (' \
        '^=> .*<kernel_main+' '\$1 = 0x1234' ':.*0x11223344' "ring 0, technique ${technique%:*}" \
        'guest-physical' "^${technique%:*}: .* guest instructions" "did you mean 'monitor walk'" \
        'monitor traps' 'Breakpoint 2, .*proc_start_first (' '^cr0 .*0x8' '^cr3 .*0x[0-9a-f]*000 ' \
        '\[ .*\]' 'detached'
    plain
    ends $?
    cmp -s "$work/console" "$work/plain" || fail "the console is another under gdb ($technique)"
    [ -e "$work/socket" ] && fail 'the socket is left behind'
done

# A running guest is interrupted, left alone, found again where it is, and killed; by TCP.
for configuration in $techniques; do
    choose "$configuration"
    # shellcheck disable=SC2086 # options are words
    serve --listen 127.0.0.1:0 $options "$kernel"
    cat >"$work/script" <<END
set pagination off
target remote $address
break kernel_main
continue
delete
set {short}\$pc = (short)0xfeeb
echo it loops\n
continue
print "stopped"
info symbol \$pc
detach
END
    timeout -s KILL 60 sh -c 'echo $$ >"$0/pid"; exec gdb -nx -q -batch -x "$0/script" "$1"' \
        "$work" "$kernel" >"$work/out" 2>&1 </dev/null &
    interrupted=$!
    for _ in $tries; do
        grep -q 'it loops' "$work/out" && break
        sleep 0.05
    done
    sleep 0.5
    kill -INT "$(cat "$work/pid")"
    wait $interrupted
    shows 'SIGINT' '"stopped"' '^kernel_main.* in section' 'detached'
    gdb_with "$kernel" <<'END'
info symbol $pc
kill
END
    shows '^kernel_main.* in section' 'killed'
    ends 0
done

# A variable is watched, its change is gone back to, and where the run began; who reads it, and who
# writes what is there already; somebody else finds the guest where the first one left it.
for configuration in $techniques; do
    choose "$configuration"
    # shellcheck disable=SC2086 # options are words
    serve --listen 127.0.0.1:0 $options "$kernel"
    gdb_with "$kernel" <<'END'
break clock_tick
continue
delete
watch *(int *)&ticks
continue
continue
print *(int *)&ticks
stepi 7
reverse-continue
print *(int *)&ticks
x/i $pc
reverse-stepi
stepi
x/i $pc
delete
break kernel_main
reverse-continue
info registers cr3 cpl
delete
reverse-continue
info symbol $pc
break clock_tick
continue
delete
rwatch *(int *)&ticks
continue
delete
awatch *(int *)&ticks
continue
delete
break clock_tick
continue
detach
END
    shows 'Old value = 2' 'New value = 3' '\$1 = 3' 'Old value = 3' '\$2 = 2' \
        '^=> .*mov .*\$*0x' 'Breakpoint 3, .*kernel_main (' '^cpl .*0x0' \
        'No more reverse-execution history' '^_start in section' 'Breakpoint 4, .*clock_tick (' \
        'ardware read watchpoint 5' 'ardware access (read/write) watchpoint 6' '^Value = 1' \
        'Breakpoint 7, .*clock_tick (' 'detached'
    # The two instructions shown are the same one.
    [ "$(grep '^=> ' "$work/out" | sort -u | wc -l)" = 1 ] ||
        fail "stepping back and forth leads elsewhere ($technique): $(cat "$work/out")"
    plain
    ends $?
    cmp -s "$work/console" "$work/plain" || fail "the console is another after going back ($technique)"
done
kernel=$guests/kernel-virt.elf

# Several VMs are threads: each is looked at by itself, all stop at a breakpoint of their own.
technique=trap
serve --listen 127.0.0.1:0 -m 16M --vm "$kernel" "$kernel"
gdb_with "$kernel" <<'END'
info threads
break kernel_main
continue
print $_thread
continue
print $_thread
thread 1
set $ebx = 0x111
thread 2
set $ebx = 0x222
stepi
thread 1
print/x $ebx
thread 2
print/x $ebx
thread 3
detach
END
shows 'Thread 1 ' 'Thread 2 ' '\$1 = 1' '\$2 = 2' '\$3 = 0x111' '\$4 = 0x222' \
    'Unknown thread\|Invalid thread'
wait "$server"
server=

# The prompt lends its guest.
printf 'gdbserver 127.0.0.1:0\ninfo vm\n' >"$work/lend.vmm"
: >"$work/server.err"
timeout 120 "$vmm" debug -batch -x "$work/lend.vmm" "$kernel" >"$work/lent" 2>"$work/server.err" \
    </dev/null &
server=$!
for _ in $tries; do
    address=$(sed -n 's/.*target remote //p' "$work/server.err")
    [ -z "$address" ] || break
    sleep 0.05
done
gdb_with "$kernel" <<'END'
stepi 5
detach
END
shows 'detached'
ends 0
grep -q '^instructions 5$' "$work/lent" || fail "the prompt's guest: $(cat "$work/lent")"

# A trap is stopped at and explained; the end has its status.
technique=trap
serve --listen 127.0.0.1:0 "$kernel"
gdb_with "$kernel" <<'END'
monitor catch mov_to_cr
continue
monitor traps 2
monitor why
monitor why 99
monitor catch nonsense
monitor catch off
continue
END
shows 'SIGTRAP' 'mov_to_cr' '^It wants' 'is no number' "There is no cause 'nonsense'" \
    'exited with code'
timeout 60 "$vmm" run "$kernel" </dev/null >/dev/null 2>&1
ends $?

# A write is found by a watchpoint.
serve --listen 127.0.0.1:0 "$kernel"
gdb_with "$kernel" <<'END'
break kernel_main
continue
set $word = (int *)($esp - 4)
set *$word = 85
delete
watch *$word
continue
print *$word != 85
kill
END
shows 'ardware watchpoint 2' 'Old value = 85' '\$1 = 1'
ends 0

# A triple fault is a signal, so that it can be looked at; then the end.
serve --listen 127.0.0.1:0 "$guests/triplefault.elf"
gdb_with "$guests/triplefault.elf" <<'END'
continue
info registers eip
continue
END
shows 'SIGSEGV' '^eip' 'exited with code'
timeout 60 "$vmm" run "$guests/triplefault.elf" </dev/null >/dev/null 2>&1
ends $?

# The limit of instructions holds.
serve --listen 127.0.0.1:0 --max-instructions 100000 "$guests/spin.elf"
gdb_with "$guests/spin.elf" <<'END'
continue
kill
END
shows 'max-instructions'
ends 0
exit $bad
