// dynamic
/* Constructors, destructors, atexit, thread-local variables, weak symbols, locale, getopt, environment. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

static __thread int local = 5;
extern int not_there(void) __attribute__((weak));

static void __attribute__((constructor)) before(void) { puts("constructor"); }
static void __attribute__((destructor)) after(void) { puts("destructor"); }
static void at_exit(void) { puts("atexit"); }

int main(int argc, char **argv)
{
    atexit(at_exit);
    local += 2;
    printf("local %d, weak %d\n", local, not_there != NULL);
    setenv("NEW", "value", 1);
    printf("%s %s\n", getenv("NEW"), setlocale(LC_ALL, "C.UTF-8") ? "locale" : "none");
    printf("%ls %zu\n", L"wide \x20ac", wcslen(L"wide \x20ac"));
    char text[64];
    time_t when = 1234567890;
    setenv("TZ", "UTC", 1);
    strftime(text, sizeof text, "%A %c %j", localtime(&when));
    puts(text);
    char *args[] = {"x", "-a", "-b", "value", "rest", NULL};
    for (int c; (c = getopt(5, args, "ab:")) != -1;)
        printf("option %c %s\n", c, optarg ? optarg : "");
    printf("%s\n", args[optind]);
    perror("perror");
    return 0;
}
