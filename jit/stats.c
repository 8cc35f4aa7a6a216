/* --stats: what the compiler did, when the process ends. */
#include "cache.h"

#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/report.h>

#include <stdio.h>

/* In the order of struct stats, which has nothing but these. */
static const struct {
    const char *name, *text;
} rows[] = {
#define STAT(name, text) {#name, text},
    STATS(STAT)
#undef STAT
};
enum { ROWS = sizeof rows / sizeof *rows };
_Static_assert(sizeof(struct stats) == ROWS * sizeof(uint64_t), "a number for each row");

void stats_add(struct stats *to, const struct stats *from)
{
    for (unsigned i = 0; i < ROWS; i++)
        ((uint64_t *)to)[i] += ((const uint64_t *)from)[i];
}

enum { TEXT_SIZE = 2048 };

static void write_text(char *text, const uint64_t *values)
{
    size_t n = 0;
    for (unsigned i = 0; i < ROWS; i++)
        n += (size_t)snprintf(text + n, TEXT_SIZE - n, "%14lu  %s\n", values[i], rows[i].text);
}

/* The operations that compiled code called most often. */
static void report_calls(void)
{
    enum { SHOWN = 10 };
    uint64_t instructions = cache.counts[0], calls = 0;
    for (unsigned op = 0; op < IR_OP_COUNT; op++)
        calls += cache.counts[1 + op];
    log_printf("%14lu  guest instructions that ran compiled\n%14lu  calls of functions for them (%.3f %%)\n",
               instructions, calls, instructions ? 100.0 * (double)calls / (double)instructions : 0);
    for (unsigned shown = 0; shown < SHOWN; shown++) {
        unsigned most = 0;
        for (unsigned op = 1; op < IR_OP_COUNT; op++)
            if (cache.counts[1 + op] > cache.counts[1 + most])
                most = op;
        if (!cache.counts[1 + most])
            break;
        log_printf("%14lu    %s\n", cache.counts[1 + most], ir_ops[most].name);
        cache.counts[1 + most] = 0;
    }
}

static void write_json(char *text, const uint64_t *values)
{
    size_t n = 0;
    for (unsigned i = 0; i < ROWS; i++)
        n += (size_t)snprintf(text + n, TEXT_SIZE - n, "%s\"%s\": %lu", i ? ", " : "{", rows[i].name, values[i]);
    snprintf(text + n, TEXT_SIZE - n, "}\n");
}

void jit_report_code(struct report_code *code)
{
    pthread_mutex_lock(&cache.lock);
    *code = (struct report_code){cache.stats.blocks, cache.stats.guest_instructions, cache.stats.host_bytes, 0};
    for (unsigned i = 0; i < cache.arena_count; i++)
        code->cache_bytes += (uint64_t)(cache.arenas[i].at - cache.arenas[i].start);
    pthread_mutex_unlock(&cache.lock);
}

void jit_report(void)
{
    char text[TEXT_SIZE];
    if (options.stats == STATS_NONE)
        return;
    pthread_mutex_lock(&cache.lock);
    struct stats sum = cache.stats;
    for (struct jit *jit = cache.threads; jit; jit = jit->next)
        stats_add(&sum, &jit->stats);
    pthread_mutex_unlock(&cache.lock);
    (options.stats == STATS_JSON ? write_json : write_text)(text, (const uint64_t *)&sum);
    log_printf("%s", text);
    if (options.counts_calls)
        report_calls();
}
