/* The name of a core file: the template in /proc/sys/kernel/core_pattern. */
#include "coredump.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct name {
    char *at;
    size_t length, size;
    bool full;
};

static void put(struct name *name, char c)
{
    if (name->length + 1 < name->size)
        name->at[name->length++] = c;
    else
        name->full = true;
}

static void put_text(struct name *name, const char *text)
{
    while (*text)
        put(name, *text++);
}

/* A string from outside mustn't lead into another directory. */
static void put_escaped(struct name *name, const char *text)
{
    bool dots = !strcmp(text, ".") || !strcmp(text, "..");
    if (dots || !*text) {
        put(name, '!');
        text += dots;
    }
    for (; *text; text++)
        put(name, *text == '/' ? '!' : *text);
}

static void put_number(struct name *name, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    put_text(name, text);
}

static const char *file_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void put_field(struct name *name, char field, const struct core_facts *facts)
{
    switch (field) {
    case '%':
        put(name, '%');
        break;
    case 'p':
    case 'P': /* as seen here: which it is in the first namespace can't be known */
        put_number(name, facts->pid);
        break;
    case 'i':
    case 'I':
        put_number(name, facts->tid);
        break;
    case 'u':
        put_number(name, facts->uid);
        break;
    case 'g':
        put_number(name, facts->gid);
        break;
    case 'd': /* dumpable like all programs without special rights */
        put_number(name, 1);
        break;
    case 's':
        put_number(name, facts->signo);
        break;
    case 't':
        put_number(name, facts->time);
        break;
    case 'c':
        put_number(name, (int64_t)facts->limit);
        break;
    case 'C':
        put_number(name, facts->cpu);
        break;
    case 'h':
        put_escaped(name, facts->host);
        break;
    case 'e':
        put_escaped(name, facts->comm);
        break;
    case 'f':
        put_escaped(name, file_of(facts->path));
        break;
    case 'E':
        put_escaped(name, facts->path);
        break;
    default: /* the kernel drops what it doesn't know */
        break;
    }
}

bool core_name(char *name, size_t size, const char *pattern, const struct core_facts *facts)
{
    struct name made = {.at = name, .size = size};
    bool with_pid = false;
    for (const char *c = pattern; *c; c++) {
        if (*c != '%') {
            put(&made, *c);
        } else if (*++c) {
            with_pid |= *c == 'p';
            put_field(&made, *c, facts);
        } else {
            break; /* a single % at the end is dropped */
        }
    }
    if (facts->pid_appended && !with_pid) {
        put(&made, '.');
        put_number(&made, facts->pid);
    }
    made.at[made.length] = '\0';
    return !made.full;
}
