/* A guest's console on a terminal or on files.
 *
 * Input is taken without waiting, when the guest's UART asks for it, so that a regular file is read
 * at the same points of virtual time in every run. Its end is no event: the line falls silent. A
 * terminal gives keys at once (termios(3): no ICANON, no ECHO), but ^C stays with us. */
#include "shell/console.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

static bool input_ended, terminal_changed;
static struct termios terminal_before;
static struct vmm_vm *volatile running;

static void put_output(void *context, const uint8_t *bytes, size_t count)
{
    (void)context;
    static int terminal = -1;
    if (terminal < 0) {
        /* By lines: a run that is killed has shown what it did. */
        terminal = isatty(STDOUT_FILENO);
        setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    }
    fwrite(bytes, 1, count, stdout);
    if (terminal)
        fflush(stdout);
}

static size_t take_input(void *context, uint8_t *bytes, size_t room)
{
    (void)context;
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    if (input_ended || room == 0 || poll(&ready, 1, 0) <= 0)
        return 0;
    ssize_t n = read(STDIN_FILENO, bytes, room);
    /* After a failed poll or read there is nothing to wait for, either. */
    input_ended = n <= 0;
    return n > 0 ? (size_t)n : 0;
}

struct vmm_console vmm_console_standard(void)
{
    return (struct vmm_console){.output = put_output, .input = take_input};
}

void vmm_console_finish(struct console_label *label)
{
    if (label->length)
        printf("[%u] %.*s\n", label->number, (int)label->length, label->line);
    label->length = 0;
}

static void put_labelled(void *context, const uint8_t *bytes, size_t count)
{
    struct console_label *label = context;
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != '\n' && bytes[i] != '\r')
            label->line[label->length++] = (char)bytes[i];
        if (bytes[i] == '\n' && !label->length)
            printf("[%u]\n", label->number);
        if (bytes[i] == '\n' || label->length == sizeof label->line)
            vmm_console_finish(label);
    }
}

/* A line on which nobody types; a line all the same, so that the VM is as it would be alone. */
static size_t take_nothing(void *context, uint8_t *bytes, size_t room)
{
    (void)context;
    (void)bytes;
    (void)room;
    return 0;
}

struct vmm_console vmm_console_labelled(struct console_label *label, unsigned number)
{
    *label = (struct console_label){.number = number};
    return (struct vmm_console){
        .context = label, .output = put_labelled, .input = number ? take_nothing : take_input};
}

static void interrupted(int signal_number)
{
    (void)signal_number;
    if (running)
        vmm_interrupt(running);
}

static void handle_signals(void (*handler)(int))
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
}

void vmm_console_enter(struct vmm_vm *vm)
{
    running = vm;
    handle_signals(interrupted);
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &terminal_before) != 0)
        return;
    struct termios keys = terminal_before;
    keys.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    terminal_changed = tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
}

void vmm_console_leave(void)
{
    fflush(stdout);
    if (terminal_changed)
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
    terminal_changed = false;
    handle_signals(SIG_DFL);
    running = NULL;
}
