/* Flame graphs as files: text, and SVG with a small script to look closer. */
#include "flame.h"

#include <stdlib.h>
#include <string.h>

/* --- text --------------------------------------------------------------------------------------------- */

/* A semicolon separates. */
static void write_word(FILE *out, const char *text)
{
    for (; *text; text++)
        putc(*text == ';' || *text == '\n' ? ':' : *text, out);
}

static void write_chain(FILE *out, const struct flame_tree *tree, unsigned node)
{
    if (node) {
        write_chain(out, tree, tree->nodes[node].parent);
        putc(';', out);
    }
    write_word(out, tree->nodes[node].name);
}

void flame_write_folded(FILE *out, const struct flame_tree *tree)
{
    for (unsigned i = 0; i < tree->count; i++) {
        if (tree->nodes[i].own_ns < 500)
            continue;
        write_chain(out, tree, i);
        fprintf(out, " %lu\n", (tree->nodes[i].own_ns + 500) / 1000);
    }
}

/* --- a picture ---------------------------------------------------------------------------------------- */

enum { WIDTH = 1200, MARGIN = 10, ROW = 18, HEAD = 60, LETTER = 7 /* of 12 pixels, monospaced */ };

static const double SMALLEST = 0.2; /* pixels: narrower ones can't be seen */

static const char style[] =
    "text { font: 12px monospace; fill: #111 } .title { font: bold 16px sans-serif } .plain { font: 13px "
    "sans-serif }\n"
    ".button { cursor: pointer; fill: #0645ad } .f { cursor: pointer } .f:hover rect { stroke: #000 }\n"
    ".found rect { fill: #b040d0 } .found text { fill: #fff }";

/* Click: the function fills the width, those below it in its proportions. data-x and data-w are parts of the
 * whole. */
static const char script[] =
    "const left = 10, width = 1180, frames = [...document.querySelectorAll('.f')];\n"
    "const say = document.getElementById('say');\n"
    "function zoom(x, w) {\n"
    "  for (const f of frames) {\n"
    "    const from = Math.max(+f.dataset.x, x), to = Math.min(+f.dataset.x + +f.dataset.w, x + w);\n"
    "    const px = (to - from) / w * width, [rect, text] = [f.querySelector('rect'), "
    "f.querySelector('text')];\n"
    "    f.style.display = px > 0.2 ? '' : 'none';\n"
    "    rect.setAttribute('x', left + (from - x) / w * width);\n"
    "    rect.setAttribute('width', Math.max(px, 0));\n"
    "    text.setAttribute('x', left + (from - x) / w * width + 3);\n"
    "    const room = Math.floor((px - 6) / 7), name = f.dataset.name;\n"
    "    text.textContent = room < 3 ? '' : name.length > room ? name.slice(0, room - 2) + '..' : name;\n"
    "  }\n"
    "}\n"
    "function search() {\n"
    "  const pattern = prompt('Functions that match this regular expression:');\n"
    "  if (pattern === null) return;\n"
    "  let end = 0, sum = 0;\n"
    "  const wanted = pattern && new RegExp(pattern);\n"
    "  frames.forEach(f => f.classList.toggle('found', wanted && wanted.test(f.dataset.name)));\n"
    "  for (const f of frames.filter(f => f.classList.contains('found')).sort((a, b) => a.dataset.x - "
    "b.dataset.x)) {\n"
    "    const from = Math.max(+f.dataset.x, end), to = +f.dataset.x + +f.dataset.w;\n"
    "    if (to > from) { sum += to - from; end = to; }\n"
    "  }\n"
    "  say.textContent = wanted ? (100 * sum).toFixed(1) + ' % of the time is in what matches' : '';\n"
    "}\n"
    "frames.forEach(f => f.addEventListener('click', () => zoom(+f.dataset.x, +f.dataset.w)));\n"
    "document.getElementById('whole').addEventListener('click', () => zoom(0, 1));\n"
    "document.getElementById('search').addEventListener('click', search);\n";

static void write_escaped(FILE *out, const char *text, size_t most)
{
    for (; *text && most; text++, most--) {
        unsigned char c = (unsigned char)*text;
        if (c == '&' || c == '<' || c == '>' || c == '"')
            fprintf(out, "&#%d;", c);
        else
            putc(c < ' ' || c > '~' ? '?' : c, out);
    }
}

static unsigned depth_of(const struct flame_tree *tree, unsigned node)
{
    unsigned deepest = 0;
    for (unsigned child = tree->nodes[node].child; child; child = tree->nodes[child].sibling) {
        unsigned depth = depth_of(tree, child);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

/* Functions keep their colour from picture to picture: warm ones, and grey for what is no function of the
 * guest's. */
static void write_colour(FILE *out, const char *name)
{
    unsigned hash = 5381;
    for (const char *c = name; *c; c++)
        hash = hash * 33 + (unsigned char)*c;
    if (name[0] == '[')
        fprintf(out, "hsl(210,15%%,%u%%)", 72 + hash % 12);
    else
        fprintf(out, "hsl(%u,%u%%,%u%%)", 15 + hash % 40, 75 + hash / 64 % 20, 62 + hash / 2048 % 14);
}

static void write_node(FILE *out, const struct flame_tree *tree, unsigned node, double x, unsigned y)
{
    const struct flame_node *at = &tree->nodes[node];
    double whole = (double)tree->nodes[0].ns, part = (double)at->ns / whole,
           pixels = part * (WIDTH - 2 * MARGIN);
    double left = MARGIN + x * (WIDTH - 2 * MARGIN);
    size_t room = pixels > 6 ? (size_t)(pixels - 6) / LETTER : 0, length = strlen(at->name);
    fprintf(out, "<g class=\"f\" data-x=\"%.6f\" data-w=\"%.6f\" data-name=\"", x, part);
    write_escaped(out, at->name, SIZE_MAX);
    fprintf(out, "\"><title>");
    write_escaped(out, at->name, SIZE_MAX);
    fprintf(out, "\n%.1f %% of the time, %.1f ms; itself %.1f ms</title>", 100 * part, (double)at->ns / 1e6,
            (double)at->own_ns / 1e6);
    fprintf(out, "<rect x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%d\" rx=\"2\" fill=\"", left, y, pixels,
            ROW - 1);
    write_colour(out, at->name);
    fprintf(out, "\"/><text x=\"%.2f\" y=\"%u\">", left + 3, y + ROW - 5);
    if (room >= 3)
        write_escaped(out, at->name, length > room ? room - 2 : length);
    fprintf(out, "%s</text></g>\n", room >= 3 && length > room ? ".." : "");
}

static int by_time(const void *a, const void *b)
{
    const struct flame_node *x = *(struct flame_node *const *)a, *y = *(struct flame_node *const *)b;
    return x->ns != y->ns ? (x->ns < y->ns) - (x->ns > y->ns) : strcmp(x->name, y->name);
}

/* A function, and below it those that it called, the longest first. */
static void write_nodes(FILE *out, const struct flame_tree *tree, unsigned node, double x, unsigned y)
{
    double whole = (double)tree->nodes[0].ns;
    size_t count = 0;
    if ((double)tree->nodes[node].ns / whole * WIDTH < SMALLEST)
        return;
    write_node(out, tree, node, x, y);
    for (unsigned child = tree->nodes[node].child; child; child = tree->nodes[child].sibling)
        count++;
    const struct flame_node **children = calloc(count + 1, sizeof *children);
    if (!children)
        return;
    count = 0;
    for (unsigned child = tree->nodes[node].child; child; child = tree->nodes[child].sibling)
        children[count++] = &tree->nodes[child];
    qsort(children, count, sizeof *children, by_time);
    for (size_t i = 0; i < count; i++) {
        write_nodes(out, tree, (unsigned)(children[i] - tree->nodes), x, y + ROW);
        x += (double)children[i]->ns / whole;
    }
    free(children);
}

void flame_write_svg(FILE *out, const struct flame_tree *tree)
{
    unsigned height = HEAD + depth_of(tree, 0) * ROW + MARGIN;
    fprintf(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
        "height=\"%u\" viewBox=\"0 0 %d %u\">\n<style>%s</style>\n<rect width=\"100%%\" height=\"100%%\" "
        "fill=\"#fdfdfa\"/>\n<text class=\"title\" x=\"%d\" y=\"24\">",
        WIDTH, height, WIDTH, height, style, MARGIN);
    write_escaped(out, tree->nodes[0].name, 80);
    fprintf(out,
            "</text>\n<text class=\"plain\" x=\"%d\" y=\"44\">%.1f ms of CPU time, %lu samples%s. Below a "
            "function is what it called; the width is the time.</text>\n<text id=\"say\" class=\"plain\" "
            "x=\"%d\" y=\"44\"></text>\n"
            "<text id=\"whole\" class=\"plain button\" x=\"%d\" y=\"24\">Whole</text>\n"
            "<text id=\"search\" class=\"plain button\" x=\"%d\" y=\"24\">Search</text>\n",
            MARGIN, (double)tree->nodes[0].ns / 1e6, tree->samples, tree->lost ? ", others had no room" : "",
            750, WIDTH - 130, WIDTH - 70);
    if (tree->nodes[0].ns)
        write_nodes(out, tree, 0, 0, HEAD);
    fprintf(out, "<script><![CDATA[\n%s]]></script>\n</svg>\n", script);
}
