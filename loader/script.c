/* Reads the #! line as Linux's binfmt_script does. */
#include "script.h"

#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 256 }; /* BINPRM_BUF_SIZE */

bool script_read(struct script *script, int fd)
{
    char line[LINE_MAX_BYTES + 1] = "";
    ssize_t got = pread(fd, line, LINE_MAX_BYTES, 0);
    memset(script, 0, sizeof *script);
    if (got < 2 || line[0] != '#' || line[1] != '!')
        return false;
    char *start = line + 2 + strspn(line + 2, " \t");
    char *end = start + strcspn(start, "\n");
    char *word_end = start + strcspn(start, " \t\n");
    if (!*end && got == LINE_MAX_BYTES && !*word_end)
        return true; /* the interpreter's name may have been cut */
    char *argument = word_end + strspn(word_end, " \t");
    while (end > argument && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    memcpy(script->interpreter, start, word_end - start);
    if (end > argument)
        memcpy(script->argument, argument, end - argument);
    return true;
}
