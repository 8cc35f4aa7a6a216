/* Completions for shells. */
#ifndef CORE_COMPLETION_H
#define CORE_COMPLETION_H

#include <stdbool.h>

/* Prints the completion script for bash, zsh or fish; false: no such shell. */
bool completion_show(const char *shell);

#endif
