/* The rows of options.def, for those who act on them (options.c, options_set.c) and show them
 * (options_help.c). */
#ifndef CORE_OPTION_ROWS_H
#define CORE_OPTION_ROWS_H

#include <stdbool.h>
#include <stddef.h>

/* A setter stores `value` (null when a bracketed argument was left out) and returns null, or returns what is
 * wrong with it. The value stays where it is for ever. */
typedef const char *option_setter(void *member, const char *value);

#define OPTION(letter, name, environment, argument, set, member, help) option_setter option_##set;
#define ACTION(letter, name, environment, argument, set, help)         option_setter option_##set;
#include "options.def"
#undef OPTION
#undef ACTION

struct option_row {
    char letter;
    const char *name;
    const char *environment;
    const char *argument; /* in brackets: may be left out; null: none */
    option_setter *set;
    size_t offset; /* of the member in struct options */
    bool stores;   /* false: an action, not a setting */
    const char *help;
};

extern const struct option_row option_rows[];
extern const size_t option_row_count;

static inline bool option_argument_optional(const struct option_row *row)
{
    return row->argument && row->argument[0] == '[';
}

/* The guest's environment before -E and -U: xemu's own. */
void option_guest_env_init(void);

#endif
