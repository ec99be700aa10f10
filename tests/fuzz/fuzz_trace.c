/* The reader of traces, with what sums them up. */
#include "fuzz.h"

#include "shell/report/chart.h"
#include "shell/report/model.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *nowhere;
    struct model model = {0};
    struct chart_series series;
    char why[256];
    uint64_t most;
    FILE *file = size ? fmemopen((void *)data, size, "r") : NULL;
    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    if (!file)
        return 0;
    if (model_read(&model, file, "F", why, sizeof why) && nowhere)
        for (size_t i = 0; i < model.run_count; i++) {
            chart_sort(model.runs[i], &series);
            chart_timeline(nowhere, model.runs[i], &series, &most);
            chart_address_space(nowhere, model.runs[i]);
        }
    model_free(&model);
    fclose(file);
    return 0;
}
