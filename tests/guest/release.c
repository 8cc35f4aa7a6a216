// dynamic
#include <stdio.h>
#include <sys/utsname.h>
int main(void)
{
    struct utsname name;
    uname(&name);
    puts(name.release);
}
