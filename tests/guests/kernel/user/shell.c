/* The shell: reads a line, runs the program it names, and waits unless the line ends with &. Built
 * in: help, halt [STATUS]. */
#include "user.h"

static int split(char *line, char **words, int room)
{
    int count = 0;
    for (char *at = line; *at && count < room - 1;) {
        while (*at == ' ' || *at == '\n' || *at == '\t')
            *at++ = 0;
        if (!*at)
            break;
        words[count++] = at;
        while (*at && *at != ' ' && *at != '\n' && *at != '\t')
            at++;
    }
    words[count] = NULL;
    return count;
}

static void background(char **words)
{
    int child = fork();
    if (child)
        return;
    exec(words[0], words);
    print("%s: no such program\n", words[0]);
    exit(127);
}

int shell_main(int argc, char **argv)
{
    char line[128], *words[12];
    (void)argc, (void)argv;
    run("cat", (char *[]){"cat", "motd", NULL});
    print("Type help.\n");
    for (;;) {
        print("$ ");
        int length = read(0, line, sizeof line - 1);
        if (length <= 0)
            return 0;
        line[length] = 0;
        int count = split(line, words, 12);
        if (!count)
            continue;
        bool wait_for_it = strcmp(words[count - 1], "&") != 0;
        if (!wait_for_it)
            words[--count] = NULL;
        if (!count)
            continue;
        if (!strcmp(words[0], "halt") || !strcmp(words[0], "exit")) {
            system_call(SYS_HALT, count > 1 ? number(words[1]) : 0, 0, 0);
        } else if (!strcmp(words[0], "help")) {
            print("A program's name and its arguments; & leaves it running. halt ends all.\n");
            run("ls", (char *[]){"ls", NULL});
        } else if (!wait_for_it) {
            background(words);
        } else {
            int status = run(words[0], words);
            if (status)
                print("%s: status %d\n", words[0], status);
        }
    }
}
