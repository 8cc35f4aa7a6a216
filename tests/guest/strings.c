// dynamic
/* The C library's hand-written string routines against plain loops, at all alignments and lengths. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char a[1200], b[1200];
static unsigned long checksum = 5381;

static void mix(long n) { checksum = checksum * 33 + (unsigned long)n; }
static int sign(int n) { return (n > 0) - (n < 0); }

int main(void)
{
    for (int offset = 0; offset < 17; offset++) {
        for (int length = 0; length < 300; length += 1 + length / 16) {
            char *s = a + offset, *t = b + offset * 3 % 16;
            for (int i = 0; i < length; i++)
                s[i] = 'a' + (i * 7 + offset) % 26;
            s[length] = 0;
            memset(t, '#', length + 20);
            mix(strlen(s));
            mix(strnlen(s, length / 2));
            strcpy(t, s);
            mix(strcmp(s, t));
            if (length) {
                t[length / 2]++;
                mix(sign(strcmp(s, t)));
                mix(sign(memcmp(s, t, length)));
                mix(sign(strncmp(s, t, length / 2)));
            }
            char *found = memchr(s, 'q', length);
            mix(found ? found - s : -1);
            found = strchr(s, 'z');
            mix(found ? found - s : -1);
            found = strrchr(s, 'b');
            mix(found ? found - s : -1);
            found = memrchr(s, 'c', length);
            mix(found ? found - s : -1);
            memmove(s + 5, s, length);
            for (int i = 0; i < length; i++)
                mix(s[i + 5]);
            memmove(s, s + 3, length);
            memcpy(t + 1, s, length);
            for (int i = 0; i < length; i++)
                mix(t[i + 1]);
            found = strstr(s, "xyz");
            mix(found ? found - s : -1);
            mix(strspn(s, "abcdefghij"));
            mix(strcspn(s, "xyz"));
        }
    }
    printf("%lx\n", checksum);
    char text[] = "key=value; other = 12 ;last";
    for (char *p = strtok(text, ";= "); p; p = strtok(NULL, ";= "))
        printf("[%s]", p);
    printf("\n%ld %lx %.3f %s\n", strtol("-1234", NULL, 10), strtoul("ffffffffffffffff", NULL, 16), strtod("1e3", NULL),
           strerror(2));
}
