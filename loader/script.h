/* Scripts: files that begin with #!. */
#ifndef LOADER_SCRIPT_H
#define LOADER_SCRIPT_H

#include <stdbool.h>

/* The first line of a script. */
struct script {
    char interpreter[256];
    char argument[256]; /* everything after the interpreter, or empty */
};

/* Whether the open file is a script; then *script is its first line, read as the kernel does. A line without
 * an interpreter, or too long for the kernel, leaves interpreter empty. */
bool script_read(struct script *script, int fd);

#endif
