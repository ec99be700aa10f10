/* `screen`: the session on a full screen, with ncurses. Registers and instructions, the trap log,
 * the address space and the guest's console stand side by side; single keys do what the commands of
 * the same letter do, and ':' takes any other. Nothing is shown here that no command prints.
 *
 * While the screen is up, what commands print goes into a page in memory: its last line becomes the
 * status line, a longer one is paged through. */
#include "shell/clock.h"
#include "shell/repl/repl.h"
#include "shell/repl/signals.h"
#include "shell/repl/source.h"

#include <curses.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_ROWS = 16, LEAST_COLUMNS = 32, TWO_SIDES = 60, LINE = 512, REFRESH_MS = 100 };
enum { COLOUR_TITLE = 1, COLOUR_CHANGED, COLOUR_HERE, COLOUR_USER };

struct screen {
    struct session *session;
    SCREEN *terminal;
    char status[LINE];
    struct vmm_registers before; /* at the last stop: what changed since is marked */
    uint64_t drawn;              /* clock_ns of the last refresh */
};

/* A part of the screen, and the row in it that is written next. */
struct pane {
    int top, left, rows, columns, row;
};

/* ---- panes ---- */

static __attribute__((format(printf, 3, 4))) void put(struct pane *pane, int attributes,
                                                      const char *format, ...)
{
    char text[LINE];
    va_list arguments;
    if (pane->row >= pane->rows)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    attrset(attributes);
    mvaddnstr(pane->top + pane->row++, pane->left, text, pane->columns);
    attrset(A_NORMAL);
}

static int paint(int pair)
{
    return has_colors() ? COLOR_PAIR(pair) : A_NORMAL;
}

static void title(struct pane *pane, const char *name)
{
    attrset(A_BOLD | paint(COLOUR_TITLE));
    mvhline(pane->top, pane->left, ACS_HLINE, pane->columns);
    mvprintw(pane->top, pane->left + 1, " %s ", name);
    attrset(A_NORMAL);
    pane->row = 1;
}

/* Splits `rows` off at the top. */
static struct pane split(struct pane *rest, int rows)
{
    struct pane pane = *rest;
    if (rows > rest->rows)
        rows = rest->rows;
    pane.rows = rows;
    rest->top += rows;
    rest->rows -= rows;
    return pane;
}

/* ---- registers ---- */

static void put_value(struct pane *pane, int column, const char *name, uint32_t value,
                      uint32_t before)
{
    if (pane->row >= pane->rows || column + 12 > pane->columns)
        return;
    mvprintw(pane->top + pane->row, pane->left + column, "%-3s ", name);
    attrset(value == before ? A_NORMAL : A_BOLD | paint(COLOUR_CHANGED));
    printw("%08x", value);
    attrset(A_NORMAL);
}

static void draw_registers(struct screen *screen, struct pane pane)
{
    static const char *const names[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    static const struct {
        char name[3];
        uint8_t bit;
    } flags[] = {{"CF", 0}, {"PF", 2},  {"ZF", 6},  {"SF", 7}, {"TF", 8},
                 {"IF", 9}, {"DF", 10}, {"OF", 11}, {"NT", 14}};
    struct vmm_registers r;
    const struct vmm_registers *b = &screen->before;
    char text[LINE] = "";
    int across = pane.columns >= 52 ? 4 : 2;
    vmm_registers(screen->session->guest.vm, &r);
    title(&pane, "registers");
    for (int i = 0; i < 8; i++) {
        put_value(&pane, i % across * 13, names[i], r.gpr[i], b->gpr[i]);
        pane.row += i % across == across - 1;
    }
    put_value(&pane, 0, "eip", r.eip, b->eip);
    put_value(&pane, 13, "efl", r.eflags, b->eflags);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (r.eflags >> flags[i].bit & 1)
            snprintf(text + strlen(text), sizeof text - strlen(text), " %s", flags[i].name);
    if (pane.row < pane.rows && pane.columns > 28)
        mvaddnstr(pane.top + pane.row, pane.left + 26, text, pane.columns - 26);
    pane.row++;
    put_value(&pane, 0, "cr0", r.cr0, b->cr0);
    put_value(&pane, 13, "cr2", r.cr2, b->cr2);
    put_value(&pane, 26, "cr3", r.cr3, b->cr3);
    put_value(&pane, 39, "cr4", r.cr4, b->cr4);
    pane.row++;
    put(&pane, A_NORMAL, "cs %04x ss %04x ds %04x es %04x cpl %u", r.segment[1], r.segment[2],
        r.segment[3], r.segment[0], r.cpl);
}

/* ---- code ---- */

static unsigned decode(const struct session *session, uint32_t linear, char *text, size_t room)
{
    uint8_t bytes[15];
    size_t count = vmm_read_linear(session->guest.vm, linear, bytes, sizeof bytes);
    unsigned length =
        count ? vmm_disassemble(bytes, count, linear, repl_code16(session), text, room) : 0;
    if (!count)
        snprintf(text, room, "not mapped");
    return length ? length : 1;
}

/* Where to begin so that EIP has some instructions above it: its function is decoded from its
 * symbol on, if that leads to EIP. */
static uint32_t code_start(const struct session *session, uint32_t pc, int above)
{
    enum { FAR = 4096, KEPT = 8 };
    uint32_t offset, ring[KEPT];
    char text[LINE];
    unsigned count = 0;
    if (!vmm_symbol(session->guest.vm, pc, &offset) || offset > FAR || above < 1)
        return pc;
    uint32_t at = pc - offset;
    while (at < pc) {
        ring[count++ % KEPT] = at;
        at += decode(session, at, text, sizeof text);
    }
    unsigned back = (unsigned)above < KEPT ? (unsigned)above : KEPT;
    if (back > count)
        back = count;
    return at == pc && back ? ring[(count - back) % KEPT] : pc;
}

static void draw_code(struct screen *screen, struct pane pane)
{
    struct session *session = screen->session;
    uint32_t pc = repl_pc(session), at = code_start(session, pc, (pane.rows - 1) / 3);
    const char *file;
    unsigned line;
    char text[LINE], symbol[96], name[160] = "code";
    if (source_line(session->source, pc, &file, &line))
        snprintf(name, sizeof name, "code: %.120s:%u", file, line);
    title(&pane, name);
    while (pane.row < pane.rows) {
        unsigned length = decode(session, at, text, sizeof text);
        vmm_symbol_text(session->guest.vm, at, symbol, sizeof symbol);
        if (at == pc)
            put(&pane, A_BOLD | paint(COLOUR_HERE), "=> %08x %s", at, text);
        else if (pane.columns > 70)
            put(&pane, A_NORMAL, "   %08x %-44.200s %s", at, text, symbol);
        else
            put(&pane, A_NORMAL, "   %08x %s", at, text);
        at += length;
    }
}

/* ---- traps ---- */

static void trap_text(const struct session *session, const struct vmm_record *record, bool wide,
                      char *text, size_t room)
{
    char insn[128] = "";
    if (wide) {
        vmm_record_text(session->guest.vm, record, text, room);
        return;
    }
    if (record->length)
        vmm_disassemble(record->bytes, record->length, record->linear, record->code16, insn,
                        sizeof insn);
    snprintf(text, room, "r%u %s: %s", record->ring, record->cause, insn);
}

static void draw_traps(struct screen *screen, struct pane pane)
{
    const struct session *session = screen->session;
    struct vmm_record record;
    char text[VMM_RECORD_TEXT];
    bool any = false;
    title(&pane, "traps, the last one below");
    for (int back = pane.rows - 2; back >= 0; back--) {
        if (back >= VMM_RECORDS_KEPT ||
            !vmm_last_record(session->guest.vm, (unsigned)back, &record))
            continue;
        trap_text(session, &record, pane.columns > 90, text, sizeof text);
        put(&pane, back ? A_NORMAL : A_BOLD, "%6" PRIu64 " %s", record.sequence, text);
        any = true;
    }
    if (!any)
        put(&pane, A_NORMAL, "none yet; t runs to the next");
}

/* ---- the address space ---- */

static bool draw_range(void *context, const struct vmm_range *range)
{
    struct pane *pane = context;
    char shadow[32] = "";
    if (range->shadowed)
        snprintf(shadow, sizeof shadow, " %u shadowed", range->shadow_pages);
    put(pane, range->user ? paint(COLOUR_USER) : 0, "%08x-%08x %6u %s %s%s", range->linear,
        range->linear + range->pages * 4096u - 1, range->pages, range->user ? "user" : "sup.",
        range->writable ? "rw" : "r-", shadow);
    return pane->row < pane->rows;
}

static void draw_map(struct screen *screen, struct pane pane)
{
    uint32_t cr0 = 0;
    vmm_register(screen->session->guest.vm, "cr0", &cr0);
    title(&pane, "address space");
    if (cr0 >> 31)
        vmm_ranges(screen->session->guest.vm, draw_range, &pane);
    else
        put(&pane, A_NORMAL, "paging is off");
}

/* ---- the guest's console ---- */

/* The last lines that fit, from the end of what is kept. */
static void draw_console(struct screen *screen, struct pane pane)
{
    const struct session *session = screen->session;
    int rows = pane.rows - 1, found = 0;
    size_t begin = session->shown_length;
    title(&pane, "console");
    while (begin &&
           (session->shown[begin - 1] != '\n' || begin == session->shown_length || ++found < rows))
        begin--;
    while (begin < session->shown_length && pane.row < pane.rows) {
        const char *line = session->shown + begin;
        size_t length = strcspn(line, "\n");
        put(&pane, A_NORMAL, "%.*s", (int)(length < LINE ? length : LINE - 1), line);
        begin += length + 1;
    }
}

/* ---- all of it ---- */

static void draw_head(struct screen *screen)
{
    const struct session *session = screen->session;
    const char *slash = strrchr(session->options.image, '/');
    struct vmm_statistics s;
    char text[LINE];
    vmm_statistics(session->guest.vm, &s);
    snprintf(text, sizeof text, " %s  %s  %" PRIu64 " instructions  %.6f s virtual  %s",
             slash ? slash + 1 : session->options.image, s.technique, s.guest_instructions,
             (double)s.virtual_time / 1e8,
             s.stop == VMM_STOP_NONE ? "not started" : vmm_stop_name(s.stop));
    attrset(A_REVERSE);
    mvhline(0, 0, ' ', COLS);
    mvaddnstr(0, 0, text, COLS);
    attrset(A_NORMAL);
}

static void draw_status(struct screen *screen)
{
    static const char keys[] =
        " s step  n next  f finish  t trap  c continue  w why  x translation  : command  ? q";
    attrset(A_REVERSE);
    mvhline(LINES - 1, 0, ' ', COLS);
    mvaddnstr(LINES - 1, 0, COLS < TWO_SIDES ? " s n f t c w x : q, ? explains" : keys, COLS);
    attrset(A_NORMAL);
    mvaddnstr(LINES - 2, 0, screen->status, COLS);
}

/* Side by side: left the processor, right what came of it. */
static void draw_sides(struct screen *screen)
{
    struct pane left = {.top = 1, .rows = LINES - 3, .columns = COLS * 52 / 100};
    struct pane right = {
        .top = 1, .rows = LINES - 3, .left = left.columns + 1, .columns = COLS - left.columns - 1};
    draw_registers(screen, split(&left, left.columns >= 52 ? 6 : 8));
    draw_code(screen, split(&left, left.rows * 2 / 3));
    draw_map(screen, left);
    draw_traps(screen, split(&right, right.rows / 2));
    draw_console(screen, right);
}

/* One above the other; the address space where there is room for all. */
static void draw_stack(struct screen *screen)
{
    enum { FOR_ALL = 24, MAP = 4 };
    struct pane pane = {.top = 1, .rows = LINES - 3, .columns = COLS};
    draw_registers(screen, split(&pane, LINES < FOR_ALL ? 6 : 8));
    if (LINES >= FOR_ALL)
        draw_map(screen, split(&pane, MAP));
    draw_code(screen, split(&pane, pane.rows * 2 / 5));
    draw_traps(screen, split(&pane, pane.rows / 2));
    draw_console(screen, pane);
}

static void draw(struct screen *screen)
{
    erase();
    if (LINES < LEAST_ROWS || COLS < LEAST_COLUMNS) {
        mvprintw(0, 0, "This needs %d rows of %d columns.", LEAST_ROWS, LEAST_COLUMNS);
        mvprintw(1, 0, "q leaves.");
        refresh();
        return;
    }
    draw_head(screen);
    if (COLS < TWO_SIDES)
        draw_stack(screen);
    else
        draw_sides(screen);
    draw_status(screen);
    refresh();
    screen->drawn = clock_ns();
}

/* ---- what commands print ---- */

/* How much of the text fits into a row: to the line's end, or the last space before the edge. */
static size_t row_length(const char *text)
{
    size_t length = strcspn(text, "\n"), width = (size_t)COLS, first = strspn(text, " ");
    if (length <= width)
        return length;
    size_t at = width;
    while (at > first && text[at] != ' ')
        at--;
    return at > first ? at : width;
}

static const char *next_row(const char *text)
{
    size_t length = row_length(text);
    return text + length + (text[length] == '\n' || text[length] == ' ');
}

static void show_page(const char *text)
{
    int top = 0, key;
    do {
        const char *at = text;
        int lines = 0;
        for (const char *row = text; *row; row = next_row(row))
            lines++;
        erase();
        for (int i = 0; i < top && *at; i++)
            at = next_row(at);
        for (int row = 0; row < LINES - 1 && *at; row++, at = next_row(at))
            mvaddnstr(row, 0, at, (int)row_length(at));
        attrset(A_REVERSE);
        mvhline(LINES - 1, 0, ' ', COLS);
        mvaddnstr(LINES - 1, 0, " arrows and space scroll, any other key goes back", COLS);
        attrset(A_NORMAL);
        refresh();
        signals_at_prompt();
        key = getch();
        int step = key == KEY_DOWN                  ? 1
                   : key == KEY_UP                  ? -1
                   : key == KEY_NPAGE || key == ' ' ? LINES - 2
                   : key == KEY_PPAGE               ? -(LINES - 2)
                                                    : 0;
        top += step;
        if (top > lines - (LINES - 2))
            top = lines - (LINES - 2);
        if (top < 0)
            top = 0;
        if (!step && key != KEY_RESIZE && key != ERR)
            return;
    } while (true);
}

/* One line becomes the status, more are paged through if they were asked for. */
static void show_said(struct screen *screen, char *text, bool paged)
{
    text += strspn(text, "\n");
    size_t length = strlen(text);
    while (length && text[length - 1] == '\n')
        text[--length] = '\0';
    char *last = strrchr(text, '\n');
    if (last && paged)
        show_page(text);
    /* Of a stop, the first line says why it stopped. */
    snprintf(screen->status, sizeof screen->status, "%.*s", (int)strcspn(text, "\n"), text);
}

static void run_command(struct screen *screen, const char *command, bool paged)
{
    struct session *session = screen->session;
    char line[LINE], *text = NULL;
    size_t size = 0;
    struct vmm_registers before;
    vmm_registers(session->guest.vm, &before);
    snprintf(line, sizeof line, "%s", command);
    snprintf(screen->status, sizeof screen->status, "%.200s ... ^C stops the guest", command);
    draw_status(screen);
    refresh();
    session->page = open_memstream(&text, &size);
    repl_execute(session, line);
    if (session->page)
        fclose(session->page);
    session->page = NULL;
    struct vmm_registers after;
    vmm_registers(session->guest.vm, &after);
    if (memcmp(&before, &after, sizeof before) != 0)
        screen->before = before;
    show_said(screen, text ? text : line, paged);
    free(text);
}

/* ':' and a line. */
static void ask_command(struct screen *screen)
{
    char line[LINE] = "";
    mvhline(LINES - 2, 0, ' ', COLS);
    mvaddch(LINES - 2, 0, ':');
    echo();
    curs_set(1);
    signals_at_prompt();
    int status = mvgetnstr(LINES - 2, 1, line, sizeof line - 1);
    curs_set(0);
    noecho();
    char *words = line + strspn(line, " \t");
    if (status == ERR || !*words)
        return;
    run_command(screen, words, true);
}

/* The unit of translated code that EIP is in, beside its translation. */
static void show_translation(struct screen *screen)
{
    struct session *session = screen->session;
    uint32_t pc = repl_pc(session);
    struct vmm_unit unit;
    char command[32];
    for (size_t i = 0; vmm_unit(session->guest.vm, i, &unit); i++) {
        if (!unit.live || pc - unit.linear >= unit.length)
            continue;
        snprintf(command, sizeof command, "translate 0x%x", unit.linear);
        run_command(screen, command, true);
        return;
    }
    snprintf(screen->status, sizeof screen->status,
             "The code at EIP has no translation; 'technique bt' makes them as code is run.");
}

/* The guest's output while it runs. */
void repl_screen_output(struct session *session)
{
    struct screen *screen = session->screen;
    if (screen && clock_ns() - screen->drawn > (uint64_t)REFRESH_MS * CLOCK_NS_PER_MS)
        draw(screen);
}

static bool act(struct screen *screen, int key)
{
    static const struct {
        int key;
        const char *command;
        bool paged;
    } keys[] = {{'s', "step", false},     {'n', "next", false}, {'t', "trap", false},
                {'c', "continue", false}, {'r', "run", false},  {'f', "finish", false},
                {'w', "why", true},       {'?', "help", true}};
    if (key == ':')
        ask_command(screen);
    if (key == 'x')
        show_translation(screen);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i].key == key)
            run_command(screen, keys[i].command, keys[i].paged);
    return key != 'q' && !screen->session->quit;
}

static void set_up(bool colour)
{
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    if (!colour || !has_colors())
        return;
    start_color();
    use_default_colors();
    init_pair(COLOUR_TITLE, COLOR_CYAN, -1);
    init_pair(COLOUR_CHANGED, COLOR_YELLOW, -1);
    init_pair(COLOUR_HERE, COLOR_GREEN, -1);
    init_pair(COLOUR_USER, COLOR_YELLOW, -1);
}

bool repl_screen(struct session *session, char *arguments)
{
    struct screen screen = {.session = session};
    int key;
    if (*arguments)
        return repl_complain(session, "'screen' takes nothing.");
    if (!repl_need_guest(session))
        return false;
    if (session->screen)
        return repl_complain(session, "This is the screen; q leaves it.");
    if (!session->terminal)
        return repl_complain(session, "There is no terminal; 'info' prints what the screen shows.");
    if (session->recording)
        return repl_complain(session, "The session is being recorded; 'record stop' first.");
    fflush(stdout);
    screen.terminal = newterm(NULL, stdout, stdin);
    if (!screen.terminal)
        return repl_complain(session, "This terminal ('%s') cannot do it; 'info' prints the same.",
                             getenv("TERM") ? getenv("TERM") : "");
    bool colour = session->colour;
    session->colour = false; /* escapes would be text here */
    set_up(colour);
    vmm_registers(session->guest.vm, &screen.before);
    session->screen = &screen;
    do {
        draw(&screen);
        signals_at_prompt();
        key = getch();
    } while (act(&screen, key));
    session->screen = NULL;
    session->colour = colour;
    endwin();
    delscreen(screen.terminal);
    return true;
}
