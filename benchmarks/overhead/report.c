/* report.html: one file with everything in it, for reading on a desk, on a telephone and on paper. */
#include "lab.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const char style[] =
    ":root{--ink:#1b2430;--soft:#5b6776;--line:#d5dbe3;--blue:#1f5fa8;--paper:#fff;--warn:#a03412}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:1rem;max-width:76rem;background:var(--paper);color:var(--ink);font:16px/1.5 "
    "system-ui,sans-serif}h1{font-size:1.6rem;line-height:1.2}"
    "h2{margin-top:2.2rem;font-size:1.25rem;border-bottom:2px solid var(--line)}"
    "h3{font-size:1rem;margin:1rem 0 .2rem}p,li{max-width:48rem;overflow-wrap:anywhere}"
    ".plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,23rem),1fr));gap:1rem 2rem}"
    "figure{margin:0;break-inside:avoid}figcaption{font-weight:600;font-size:.95rem}"
    "svg{width:100%;max-width:40rem;height:auto;display:block;font-family:inherit}"
    "svg text{fill:var(--ink);font-size:10.5px}.label{text-anchor:end}"
    ".value{text-anchor:end;font-variant-numeric:tabular-nums}"
    "svg .tick,svg .note{fill:var(--soft);font-size:9.5px}"
    "svg .note{paint-order:stroke;stroke:var(--paper);stroke-width:4px}.tick{text-anchor:middle}svg .key{font-size:9.5px}"
    ".grid{stroke:var(--line);stroke-width:.7}.native{stroke:var(--ink);stroke-width:1;stroke-dasharray:3 2}"
    ".point{fill:var(--blue)}.interval{stroke:var(--blue);stroke-width:2.2}"
    ".outlier{fill:none;stroke:var(--warn);stroke-width:.8}.part0{fill:#1f5fa8}.part1{fill:#e0a030}"
    ".part2{fill:#8a4fa0}.part3{fill:#3a9b6e}.part4{fill:#c8483a}.part5{fill:#58a9d6}.part6{fill:#8b8f96}"
    ".part7{fill:#d889b5}.part8{fill:#6b5b3a}.part9{fill:#b5c24d}"
    "table{border-collapse:collapse;font-size:.85rem;width:100%;font-variant-numeric:tabular-nums}"
    "th,td{text-align:right;padding:.15rem .4rem;border-bottom:1px solid var(--line);vertical-align:top}"
    "th:first-child,td:first-child{text-align:left}td.text,th.text{text-align:left}"
    ".missing{overflow-wrap:anywhere}.interval-text{white-space:nowrap;display:inline-block}"
    "thead{display:table-header-group}tr{break-inside:avoid}.tables{columns:2 24rem;column-gap:2rem}"
    ".about td{padding-bottom:.5rem}.tables section{break-inside:avoid-column}.missing{color:var(--warn)}"
    ".soft{color:var(--soft)}figure p{margin:.2rem 0;font-size:.85rem}"
    "@media(max-width:40rem){body{padding:.7rem;font-size:15px}table{font-size:.73rem}th,td{padding:.15rem "
    ".2rem}}"
    "@media print{body{max-width:none;padding:0;font-size:10pt}.plots{grid-template-columns:1fr 1fr}a{"
    "color:inherit}}";
/* clang-format on */

static const struct lab *lab;
static const struct analysis *analysis;
static FILE *out;

static void text(const char *what) { html_text(out, what); }

static void digits(double value) { fprintf(out, "%.*f", value < 10 ? 2 : value < 100 ? 1 : 0, value); }

static void ratio_cell(struct estimate e)
{
    if (!e.n) {
        fputs("<td class=soft>–</td>", out);
        return;
    }
    fputs("<td>", out);
    digits(e.value);
    if (!stats_has_interval(e)) {
        fputs(" <span class=soft>(1)</span></td>", out);
        return;
    }
    fputs(" <span class=\"soft interval-text\">[", out);
    digits(e.low);
    fputs(", ", out);
    digits(e.high);
    fprintf(out, "]%s</span></td>", stats_includes(e, 1) ? " =" : "");
}

static void time_cell(double ns)
{
    fputs("<td>", out);
    if (ns >= 1e9)
        fprintf(out, "%.2f s", ns / 1e9);
    else if (ns >= 1e6)
        fprintf(out, "%.1f ms", ns / 1e6);
    else if (ns >= 1e3)
        fprintf(out, "%.1f µs", ns / 1e3);
    else
        fprintf(out, "%.1f ns", ns);
    fputs("</td>", out);
}

static void open_figure(const char *title)
{
    fputs("<figure><figcaption>", out);
    text(title);
    fputs("</figcaption>", out);
}

static void close_figure(void) { fputs("</figure>\n", out); }

static bool shown(int level) { return lab->levels[level].chosen && level != NATIVE; }

/* --- levels ------------------------------------------------------------------------------------------- */

static const char *missing_note(int level)
{
    return lab->levels[level].missing ? "missing: see the table" : "no figure";
}

static void levels_plot(enum state state, const char *title)
{
    struct bar bars[LEVELS_MAX];
    int n = 0;
    for (int l = 0; l < lab->level_count; l++)
        if (shown(l))
            bars[n++] = (struct bar){
                .label = lab->levels[l].name, .at = analysis->mean[l].ratio[state], .note = missing_note(l)};
    open_figure(title);
    svg_points(out, title, "times of native", bars, n, 1);
    close_figure();
}

static void levels_table(void)
{
    static const enum state order[STATES] = {WARM, STEADY, COLD};
    fputs("<table><thead><tr><th>level<th>warm<th>steady<th>cold<th>programs</thead><tbody>\n", out);
    for (int l = 0; l < lab->level_count; l++) {
        const struct level *level = &lab->levels[l];
        if (!level->chosen)
            continue;
        fputs("<tr><td>", out);
        text(level->name);
        for (size_t i = 0; l != NATIVE && i < STATES; i++)
            ratio_cell(analysis->mean[l].ratio[order[i]]);
        fprintf(out, l == NATIVE ? "<td>1<td>1<td>1<td>\n" : "<td>%d\n", analysis->mean[l].programs[WARM]);
        fputs("<tr class=about><td class=text colspan=5>", out);
        text(level->about);
        if (level->version)
            fputs(" <span class=soft>", out), text(level->version), fputs("</span>", out);
        fprintf(out, " <span class=soft>(time: %s)</span>", clock_names[level->clock]);
        if (level->missing)
            fputs("<br><span class=missing>missing: ", out), text(level->missing), fputs("</span>", out);
    }
    fputs("</tbody></table>\n", out);
}

/* --- rules of thumb ----------------------------------------------------------------------------------- */

static const struct rule {
    const char *text, *groups;
    double low, high; /* times of native */
} rules[] = {
    {"a container costs about 3 %", "container", 1.0, 1.03},
    {"a hypervisor costs 10 to 15 %", "hypervisor", 1.10, 1.15},
    {"a user-mode emulator is 5 to 20 times slower", "emulator", 5, 20},
    {"xemu, the user-mode emulator of this project, likewise", "xemu", 5, 20},
};

static const char *verdict(const struct rule *rule, struct estimate e)
{
    if (e.low > rule->high)
        return "contradicted: more";
    if (e.high < rule->low)
        return "contradicted: less";
    return e.value >= rule->low && e.value <= rule->high ? "confirmed" : "not distinguishable from it";
}

static void rules_table(void)
{
    fputs("<table><thead><tr><th>rule<th class=text>level<th>measured, warm<th "
          "class=text>verdict</thead><tbody>\n",
          out);
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
        for (int l = 0; l < lab->level_count; l++) {
            struct estimate e = analysis->mean[l].ratio[WARM];
            if (!shown(l) || strcmp(lab->levels[l].group, rules[r].groups) != 0)
                continue;
            fputs("<tr><td>", out);
            text(rules[r].text);
            fputs("<td class=text>", out);
            text(lab->levels[l].name);
            ratio_cell(e);
            fputs("<td class=text>", out);
            text(e.n ? verdict(&rules[r], e) : "not measured here");
            putc('\n', out);
        }
    }
    fputs("</tbody></table>\n", out);
}

/* --- programs ----------------------------------------------------------------------------------------- */

static bool has_metrics(int program) { return metric_name(lab, program, 0); }

static void level_plot(int level)
{
    static struct bar bars[PROGRAMS_MAX];
    char title[200];
    int n = 0, left_out = 0;
    for (int p = 0; p < lab->program_count; p++) {
        const struct entry *entry = find_entry(analysis, level, p, -1);
        if (!entry || has_metrics(p))
            continue;
        if (!is_lab_program(&lab->programs[p]) && !lab->levels[level].real) {
            left_out++;
            continue;
        }
        struct bar bar = {.label = lab->programs[p].name,
                          .at = entry->missing ? (struct estimate){0} : entry->ratio[WARM]};
        bar.note = !entry->missing                     ? "no figure"
                   : strstr(entry->missing, "differs") ? "output differs"
                   : strstr(entry->missing, "failed")  ? "failed"
                                                       : "not measured";
        bar.samples = &entry->samples;
        bar.scale = bar.at.n && entry->time.value > 0 ? bar.at.value / entry->time.value : 0;
        bars[n++] = bar;
    }
    snprintf(title, sizeof title, "%s: each program, warm", lab->levels[level].name);
    open_figure(title);
    svg_points(out, title, "times of native", bars, n, 1);
    if (left_out)
        fprintf(out, "<p class=soft>Debian's %d programs are not run on this level.</p>", left_out);
    close_figure();
}

static bool is_measured(int level)
{
    for (int i = 0; i < analysis->count; i++)
        if (analysis->entries[i].level == level && !analysis->entries[i].missing &&
            analysis->entries[i].metric < 0)
            return true;
    return false;
}

static void metrics_plot(int program, int metric)
{
    struct bar bars[LEVELS_MAX];
    const char *name = metric_name(lab, program, metric);
    int n = 0;
    for (int l = 0; l < lab->level_count; l++) {
        const struct entry *entry = find_entry(analysis, l, program, metric);
        if (entry && !entry->missing)
            bars[n++] = (struct bar){
                .label = lab->levels[l].name, .at = entry->time, .samples = &entry->samples, .scale = 1};
    }
    open_figure(name);
    svg_points(out, name, "nanoseconds", bars, n, 0);
    close_figure();
}

static void metrics_section(void)
{
    for (int p = 0; p < lab->program_count; p++) {
        if (!lab->programs[p].chosen || !has_metrics(p))
            continue;
        fputs("<h3>", out);
        text(lab->programs[p].about);
        fputs("</h3><div class=plots>\n", out);
        for (int m = 0; metric_name(lab, p, m); m++)
            metrics_plot(p, m);
        fputs("</div>\n", out);
    }
}

static void entries_table(int level)
{
    fputs("<section><h3>", out);
    text(lab->levels[level].name);
    fputs("</h3><table><thead><tr><th>program<th>time<th>times of "
          "native<th>steady<th>runs<th>outliers</thead><tbody>\n",
          out);
    for (int i = 0; i < analysis->count; i++) {
        const struct entry *e = &analysis->entries[i];
        if (e->level != level)
            continue;
        fputs("<tr><td>", out);
        text(lab->programs[e->program].name);
        if (e->metric >= 0)
            putc(' ', out), text(metric_name(lab, e->program, e->metric));
        if (e->missing) {
            fputs("<td class=\"text missing\" colspan=5>", out);
            text(e->missing);
        } else {
            time_cell(e->time.value);
            ratio_cell(e->ratio[WARM]);
            ratio_cell(e->ratio[STEADY]);
            fprintf(out, "<td>%zu<td>%zu", e->samples.n, e->outliers);
        }
        putc('\n', out);
    }
    fputs("</tbody></table></section>\n", out);
}

static void memory_plot(void)
{
    struct bar bars[LEVELS_MAX];
    int n = 0, program = find_program(lab, "hello");
    for (int l = 0; program >= 0 && l < lab->level_count; l++) {
        const struct entry *e = find_entry(analysis, l, program, -1);
        if (e && !e->missing && e->rss > 0)
            bars[n++] = (struct bar){.label = lab->levels[l].name,
                                     .at = {e->rss / 1024, e->rss / 1024, e->rss / 1024, 1}};
    }
    if (!n)
        return;
    open_figure("Memory of a program that does nothing");
    svg_points(out, "memory", "MiB resident", bars, n, 0);
    close_figure();
    for (int l = n = 0; l < lab->level_count; l++) {
        const struct entry *e = find_entry(analysis, l, program, -1);
        if (e && !e->missing)
            bars[n++] =
                (struct bar){.label = lab->levels[l].name,
                             .samples = &e->samples,
                             .scale = 1e-6,
                             .at = {e->time.value / 1e6, e->time.low / 1e6, e->time.high / 1e6, e->time.n}};
    }
    open_figure("Time of a program that does nothing");
    svg_points(out, "start-up", "milliseconds", bars, n, 0);
    close_figure();
}

/* --- where the time goes -------------------------------------------------------------------------------- */

static void parts_plot(void)
{
    static struct stack stacks[PROGRAMS_MAX];
    enum { PARTS_MAX = sizeof stacks->parts / sizeof *stacks->parts };
    const char *names[PARTS_MAX] = {0}, *program, *part;
    json_t *report, *value;
    int n = 0, parts = 0;
    json_object_foreach(lab->reports, program, report)
    {
        int at = 0;
        json_object_foreach(json_object_get(report, "parts_ns"), part, value)
        {
            if (at == PARTS_MAX)
                break;
            names[at] = part;
            stacks[n].parts[at++] = json_number_value(value);
        }
        parts = at > parts ? at : parts;
        stacks[n].label = program;
        n += at && n < PROGRAMS_MAX - 1;
    }
    open_figure("Parts of the CPU time");
    svg_stacks(out, "parts of the CPU time", stacks, n, names, parts);
    close_figure();
}

static void count_cell(const char *format, double value) { fprintf(out, value > 0 ? format : "<td>–", value); }

static double count_of(json_t *report, const char *key)
{
    return json_number_value(json_object_get(json_object_get(report, "counts"), key));
}

static void parts_section(void)
{
    const char *program;
    json_t *report;
    if (!json_object_size(lab->reports))
        return;
    fputs("<h2>Where the time goes in xemu</h2><p>CPU time as <code>xemu --report=json</code> says, one run "
          "of each program.</p>\n",
          out);
    parts_plot();
    fputs("<table><thead><tr><th>program<th>guest instructions run<th>host instructions for each"
          "<th>KiB of code<th>MiB resident</thead><tbody>\n",
          out);
    json_object_foreach(lab->reports, program, report)
    {
        const char *failed = json_string_value(json_object_get(report, "failed"));
        fputs("<tr><td>", out);
        text(program);
        if (failed) {
            fputs("<td class=\"text missing\" colspan=4>", out);
            text(failed);
        } else {
            count_cell("<td>%.3g", count_of(report, "guest_instructions"));
            count_cell("<td>%.2f", count_of(report, "instruction_expansion"));
            count_cell("<td>%.0f", count_of(report, "cache_bytes_used") / 1024);
            count_cell("<td>%.1f", count_of(report, "resident_bytes") / 1048576);
        }
        putc('\n', out);
    }
    fputs("</tbody></table>\n", out);
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static void machine_table(void)
{
    const char *key;
    json_t *value;
    fputs("<table><tbody>\n", out);
    json_object_foreach(lab->meta, key, value)
    {
        char *made =
            json_is_string(value) ? strdup(json_string_value(value)) : json_dumps(value, JSON_ENCODE_ANY);
        fputs("<tr><td>", out);
        text(key);
        fputs("<td class=text>", out);
        text(made ? made : "");
        putc('\n', out);
        free(made);
    }
    fputs("</tbody></table>\n", out);
}

static void head(void)
{
    fprintf(out,
            "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport "
            "content=\"width=device-width,initial-scale=1\"><title>The overhead "
            "lab</title><style>%s</style></head>"
            "<body>\n<h1>What virtualisation costs, at every level</h1>\n<p>Measured on ",
            style);
    text(meta_text(lab, "cpu"));
    fputs(", kernel ", out);
    text(meta_text(lab, "kernel"));
    fputs(", begun ", out);
    text(meta_text(lab, "started"));
    fputs(", with ", out);
    text(meta_text(lab, "xemu"));
    fprintf(
        out, ": %d runs, %d of %d rounds after a warm-up, in an order that seed %" PRIu64 " gave.%s</p>\n",
        lab->run_count, lab->rounds_done > 1 ? lab->rounds_done - 1 : 0, lab->rounds, lab->seed,
        lab->finished
            ? ""
            : " <strong class=missing>The run was interrupted: this is what was done until then.</strong>");
}

static void explanation(void)
{
    fputs("<h2>How to read this</h2><ul>"
          "<li>A figure is the median of the rounds, a line or a pair of brackets its 95 % confidence "
          "interval, from "
          "1000 bootstrap samples. Points without a visible line have a narrow interval; (1): a single "
          "sample, which has none.</li>"
          "<li>“times of native” compares with the same source, compiled by the same compiler for this "
          "machine and run "
          "on it as it is. “=”: the interval holds 1, the level is not distinguishable from native.</li>"
          "<li>Warm: a whole process, with its start and all its translation. Steady: what the program’s "
          "large size costs "
          "above its small one, so that neither is in it. Cold: the very first run, of the small size.</li>"
          "<li>Small red crosses are runs beyond Tukey’s fences (1.5 interquartile ranges). They are in the "
          "medians "
          "all the same.</li>"
          "<li>Which time: <em>cpu</em> is CPU time of the program and its children as its kernel counts it; "
          "<em>host</em> is CPU time of all host processes that make up the level; <em>wall</em> is what "
          "CLOCK_MONOTONIC says. Native is measured by the same (cpu for host).</li>"
          "<li>Figures in nanoseconds of single operations are CPU time by the program’s own "
          "clock.</li></ul>\n",
          out);
}

static void body(void)
{
    head();
    fputs("<h2>The levels</h2><div class=plots>\n", out);
    levels_plot(WARM, "Warm: whole processes, geometric mean");
    levels_plot(STEADY, "Steady state, geometric mean");
    levels_plot(COLD, "Cold: the first, short run");
    memory_plot();
    fputs("</div>\n", out);
    levels_table();
    fputs("<h2>Rules of thumb</h2>\n", out);
    rules_table();
    explanation();
    fputs("<h2>Programs, level by level</h2><div class=plots>\n", out);
    for (int l = 0; l < lab->level_count; l++)
        if (shown(l) && is_measured(l))
            level_plot(l);
    fputs("</div>\n<h2>What single operations cost</h2>\n", out);
    metrics_section();
    parts_section();
    fputs("<h2>All figures</h2><div class=tables>\n", out);
    for (int l = 0; l < lab->level_count; l++)
        if (lab->levels[l].chosen && !lab->levels[l].missing)
            entries_table(l);
    fputs("</div>\n<h2>The machine</h2>\n", out);
    machine_table();
    fputs("<p class=soft>results.json, beside this file, has every run; results.csv a line for "
          "each.</p></body></html>\n",
          out);
}

void report_write(const struct analysis *a)
{
    lab = a->lab;
    analysis = a;
    out = folder_create(lab, "report.html");
    body();
    folder_close(lab, "report.html", out);
}
