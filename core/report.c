/* --report: what the sampler sees each guest thread do, summed up. At each transition the guest's thread
 * stores what it does: that is all that it costs there. */
#include <xemu/report.h>

#include <xemu/guestmem.h>
#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/profile.h>
#include <xemu/sampler.h>

#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    pid_t pid;    /* which is reported */
    int count_fd; /* of host instructions; -1: not to be had */
    uint64_t parts[PARTS];
} report = {.count_fd = -1};

static const struct {
    const char *key, *text;
} names[PARTS] = {
#define PART(name, key, text) {key, text},
    REPORT_PARTS(PART)
#undef PART
};

void report_look(const struct cpu *cpu, uint64_t ns) { report.parts[cpu->part] += ns; }

/* Instructions of this process and what it starts, in user mode; where perf may not be used there is no such
 * count. */
static int open_count(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof attr,
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .inherit = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

void report_begin(void)
{
    if (options.report == STATS_NONE || report.pid)
        return;
    report.pid = getpid();
    report.count_fd = open_count();
}

void report_forked(void)
{
    if (options.report == STATS_NONE)
        return;
    report.pid = getpid();
    memset(report.parts, 0, sizeof report.parts);
    profile_forked();
}

/* --- writing ------------------------------------------------------------------------------------------ */

/* Resident memory in bytes: all, and what is not the guest's, which a native process would not have. */
static void count_memory(uint64_t *all, uint64_t *above)
{
    char line[512];
    uint64_t start = 0, end, kib;
    bool ours = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    *all = *above = 0;
    while (maps && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            ours = !guest_range_contains(start, end);
        else if (sscanf(line, "Rss: %lu kB", &kib) == 1) {
            *all += kib * 1024;
            *above += ours ? kib * 1024 : 0;
        }
    }
    if (maps)
        fclose(maps);
}

/* All that is written, but for the parts. */
struct figures {
    uint64_t whole, memory, memory_above;
    uint64_t guest, host; /* instructions that ran; 0: not counted */
    const char *host_by;  /* who counted the latter */
    struct report_code code;
};

static double ratio(uint64_t a, uint64_t b) { return b ? (double)a / (double)b : 0; }

/* Bytes of code for each byte of the guest's. */
static double static_expansion(const struct figures *f)
{
    return ratio(f->code.host_bytes, f->code.guest_instructions * 4);
}

static void write_json(const struct figures *f)
{
    char text[1900];
    const char *comma = "";
    size_t n = (size_t)snprintf(text, sizeof text, "{\"pid\": %d, \"whole_ns\": %lu, \"parts_ns\": {",
                                (int)report.pid, f->whole);
    for (int i = 0; i < PARTS; i++, comma = ", ")
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"%s\": %lu", comma, names[i].key,
                              report.parts[i]);
    n += (size_t)snprintf(
        text + n, sizeof text - n,
        "}, \"counts\": {\"blocks\": %lu, \"guest_instructions_compiled\": %lu, \"host_bytes\": %lu, "
        "\"expansion\": %.3f, \"cache_bytes_used\": %lu, \"resident_bytes\": %lu, "
        "\"resident_bytes_above_native\": %lu",
        f->code.blocks, f->code.guest_instructions, f->code.host_bytes, static_expansion(f),
        f->code.cache_bytes, f->memory, f->memory_above);
    if (f->guest)
        n += (size_t)snprintf(text + n, sizeof text - n, ", \"guest_instructions\": %lu", f->guest);
    if (f->host)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              ", \"host_instructions\": %lu, \"host_instructions_by\": \"%s\"", f->host,
                              f->host_by);
    if (f->guest && f->host)
        n += (size_t)snprintf(text + n, sizeof text - n, ", \"instruction_expansion\": %.3f",
                              ratio(f->host, f->guest));
    log_printf("%s}}\n", text);
}

static void write_text(const struct figures *f)
{
    uint64_t sum = 0;
    for (int i = 0; i < PARTS; i++) {
        log_printf("%10.3f ms %5.1f %%  %s\n", (double)report.parts[i] / 1e6,
                   100 * ratio(report.parts[i], f->whole), names[i].text);
        sum += report.parts[i];
    }
    log_printf("%10.3f ms CPU time in all; the parts are %.1f %% of it\n", (double)f->whole / 1e6,
               100 * ratio(sum, f->whole));
    log_printf("%10lu guest instructions compiled, %.2f bytes of code for each byte; %lu KiB of code\n",
               f->code.guest_instructions, static_expansion(f), f->code.cache_bytes / 1024);
    log_printf("%10.1f MiB resident, %.1f of them not the guest's\n", (double)f->memory / 1048576,
               (double)f->memory_above / 1048576);
    if (f->guest)
        log_printf("%10lu guest instructions run\n", f->guest);
    if (f->host)
        log_printf("%10lu host instructions run, as %s counts\n", f->host, f->host_by);
    if (f->guest && f->host)
        log_printf("%10.2f host instructions for each of the guest's\n", ratio(f->host, f->guest));
}

/* perf counts everything that the process does, counters too: it is not asked where there are some. */
static void count_instructions(struct figures *f)
{
    if (options.report_counts) {
        profile_totals(&f->guest, &f->host);
        f->host_by = "xemu";
    } else if (report.count_fd >= 0 && read(report.count_fd, &f->host, sizeof f->host) == sizeof f->host) {
        f->host_by = "perf";
    } else {
        f->host = 0;
    }
}

void report_write(void)
{
    struct figures f = {0};
    if (options.report == STATS_NONE || report.pid != getpid())
        return;
    sampler_stop();
    report.parts[PART_START] = sampler_start_ns();
    report.parts[PART_UNSEEN] = sampler_unseen_ns();
    f.whole = sampler_whole_ns();
    count_instructions(&f);
    count_memory(&f.memory, &f.memory_above);
    jit_report_code(&f.code);
    (options.report == STATS_JSON ? write_json : write_text)(&f);
}
