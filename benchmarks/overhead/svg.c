/* Plots as SVG. A drawing is 360 units wide, which is a telephone's width; on a wider page it grows with its
 * text. */
#include "lab.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 360, LABELS = 112, RIGHT = 58, ROW = 15, TOP = 4, FOOT = 30 };

void html_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            putc(*text, out);
        }
    }
}

static void open_svg(FILE *out, const char *title, int height)
{
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, height);
    html_text(out, title);
    fputs("\">\n", out);
}

static void label(FILE *out, double y, const char *text)
{
    fprintf(out, "<text class=\"label\" x=\"%d\" y=\"%.1f\"", LABELS - 5, y);
    if (strlen(text) > 19) /* squeezed rather than cut */
        fprintf(out, " textLength=\"%d\" lengthAdjust=\"spacingAndGlyphs\"", LABELS - 7);
    putc('>', out);
    html_text(out, text);
    fputs("</text>\n", out);
}

/* --- points on a logarithmic axis ---------------------------------------------------------------------- */

struct axis {
    double low, high;
};

static double place(struct axis axis, double value)
{
    double room = WIDTH - LABELS - RIGHT;
    double at = log(value / axis.low) / log(axis.high / axis.low);
    return LABELS + room * (at < 0 ? 0 : at > 1 ? 1 : at);
}

static void widen(struct axis *axis, double value)
{
    if (value <= 0)
        return;
    axis->low = value < axis->low ? value : axis->low;
    axis->high = value > axis->high ? value : axis->high;
}

static struct axis axis_for(const struct bar *bars, int n, double line)
{
    struct axis axis = {INFINITY, 0};
    widen(&axis, line);
    for (int i = 0; i < n; i++) {
        if (!bars[i].at.n)
            continue;
        widen(&axis, bars[i].at.value);
        widen(&axis, bars[i].at.low);
        widen(&axis, bars[i].at.high);
    }
    if (!(axis.high > 0))
        return (struct axis){0.5, 2};
    double margin = pow(axis.high / axis.low, 0.05) * 1.02;
    return (struct axis){axis.low / margin, axis.high * margin};
}

static void grid(FILE *out, struct axis axis, int height, const char *name)
{
    static const double steps[] = {1, 1.5, 2, 3, 5, 7};
    double decades = log10(axis.high / axis.low), last = -100;
    for (int decade = (int)floor(log10(axis.low)); decade <= (int)ceil(log10(axis.high)); decade++) {
        for (int i = 0; i < 6; i++) {
            double value = steps[i] * pow(10, decade), x = place(axis, value);
            bool fine = i == 0 || (decades < 2.2 && (i == 2 || i == 4)) || decades < 0.7;
            if (value < axis.low || value > axis.high || !fine || x - last < 20)
                continue;
            last = x;
            fprintf(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", x, x, TOP,
                    height - FOOT);
            fprintf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%d\">%g</text>\n", x, height - FOOT + 11,
                    value);
        }
    }
    fprintf(out, "<text class=\"tick\" x=\"%d\" y=\"%d\">", (LABELS + WIDTH - RIGHT) / 2, height - 4);
    html_text(out, name);
    fputs("</text>\n", out);
}

static void number(FILE *out, double y, double value)
{
    fprintf(out, "<text class=\"value\" x=\"%d\" y=\"%.1f\">%.*f</text>\n", WIDTH - 2, y,
            value < 10    ? 2
            : value < 100 ? 1
                          : 0,
            value);
}

static void point(FILE *out, struct axis axis, const struct bar *bar, double y)
{
    for (size_t i = 0; bar->samples && i < bar->samples->n; i++) {
        double x = place(axis, bar->samples->at[i] * bar->scale);
        if (stats_is_outlier(*bar->samples, bar->samples->at[i]))
            fprintf(out, "<path class=\"outlier\" d=\"M%.1f %.1fl4 4m0 -4l-4 4\"/>", x - 2, y - 2);
    }
    fprintf(out, "<line class=\"interval\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
            place(axis, bar->at.low), place(axis, bar->at.high), y, y);
    fprintf(out, "<circle class=\"point\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>", place(axis, bar->at.value), y);
}

void svg_points(FILE *out, const char *title, const char *axis_name, const struct bar *bars, int n,
                double line)
{
    int height = TOP + n * ROW + FOOT;
    struct axis axis = axis_for(bars, n, line);
    open_svg(out, title, height);
    grid(out, axis, height, axis_name);
    if (line > 0)
        fprintf(out, "<line class=\"native\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n",
                place(axis, line), place(axis, line), TOP, height - FOOT);
    for (int i = 0; i < n; i++) {
        double y = TOP + (i + 0.5) * ROW;
        label(out, y + 3.5, bars[i].label);
        if (bars[i].at.n) {
            point(out, axis, &bars[i], y);
            number(out, y + 3.5, bars[i].at.value);
        } else {
            fprintf(out, "<text class=\"note\" x=\"%d\" y=\"%.1f\">", LABELS + 2, y + 3.5);
            html_text(out, bars[i].note ? bars[i].note : "none");
            fputs("</text>\n", out);
        }
    }
    fputs("</svg>\n", out);
}

/* --- stacks --------------------------------------------------------------------------------------------- */

void svg_stacks(FILE *out, const char *title, const struct stack *stacks, int n, const char *const *names,
                int parts)
{
    int legend = 13 * ((parts + 2) / 3), height = TOP + legend + n * ROW + FOOT;
    double room = WIDTH - LABELS - 8;
    open_svg(out, title, height);
    for (int p = 0; p < parts; p++) {
        int x = 4 + p % 3 * (WIDTH / 3), y = TOP + p / 3 * 13;
        fprintf(out, "<rect class=\"part%d\" x=\"%d\" y=\"%d\" width=\"9\" height=\"9\"/>", p, x, y);
        fprintf(out, "<text class=\"key\" x=\"%d\" y=\"%d\">", x + 13, y + 8);
        html_text(out, names[p]);
        fputs("</text>\n", out);
    }
    for (int i = 0; i < n; i++) {
        double x = LABELS, sum = 0, y = TOP + legend + i * ROW;
        for (int p = 0; p < parts; p++)
            sum += stacks[i].parts[p];
        label(out, y + 11, stacks[i].label);
        for (int p = 0; p < parts && sum > 0; p++) {
            double width = room * stacks[i].parts[p] / sum;
            fprintf(out, "<rect class=\"part%d\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%d\"><title>",
                    p, x, y + 2, width, ROW - 4);
            html_text(out, names[p]);
            fprintf(out, ": %.1f %%</title></rect>\n", 100 * stacks[i].parts[p] / sum);
            x += width;
        }
    }
    for (int percent = 0; percent <= 100; percent += 25)
        fprintf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%d\">%d</text>", LABELS + room * percent / 100,
                height - FOOT + 11, percent);
    fprintf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%d\">percent of CPU time</text>\n</svg>\n",
            LABELS + room / 2, height - 4);
}
