/* One kernel for all benches: `w=NAME` picks the workload, `n=COUNT` how often, `paging=1` runs it
 * with paging on (the paging workloads always do). Prints a line with a checksum; exit code 0, 1
 * for a name that is not known. `w=list` names them all. */
#include "bench.h"

static const struct workload *const groups[] = {compute_workloads, privileged_workloads,
                                                paging_workloads};

int main(uint32_t magic, const struct multiboot_info *info)
{
    char name[24] = "list";
    (void)magic;
    cpu_init();
    command_line_option(info, "w", name, sizeof name);
    for (unsigned g = 0; g < 3; g++) {
        for (const struct workload *work = groups[g]; work->name; work++) {
            if (string_equal(name, "list"))
                print("%-14s %8u  %s\n", work->name, work->n, work->what);
            if (!string_equal(name, work->name))
                continue;
            uint32_t n = command_line_number(info, "n", work->n);
            if (g == 2 || command_line_number(info, "paging", 0))
                paging_on();
            print("%s n=%u checksum=%08x\n", name, n, work->run(n));
            return 0;
        }
    }
    return string_equal(name, "list") ? 0 : 1;
}
