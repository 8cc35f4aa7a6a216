// args: one two
// dynamic
/* How a program finds itself started: arguments, name, descriptors, rights. `launched exec PATH ARG...` starts
 * another program, whose argv[0] is the first ARG. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int has_capability(int capability)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {0};
    syscall(SYS_capget, &header, data);
    return data[0].effective >> capability & 1;
}

static void show_descriptors(void)
{
    printf("descriptors");
    for (int fd = 0; fd < 400; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            printf(" %d", fd);
    puts("");
}

int main(int argc, char **argv)
{
    char comm[16] = "", link[4096] = "";
    if (argc > 3 && strcmp(argv[1], "exec") == 0) {
        execv(argv[2], argv + 3);
        printf("exec: %s\n", strerror(errno));
        return 1;
    }
    prctl(PR_GET_NAME, comm);
    if (readlink("/proc/self/exe", link, sizeof link - 1) < 0)
        strcpy(link, "none");
    printf("argc %d argv0 %s\n", argc, basename(argv[0]));
    for (int i = 1; i < argc; i++)
        printf("argv[%d] %s\n", i, argv[i]);
    printf("secure %lu\n", getauxval(AT_SECURE));
    printf("uid %s\n", geteuid() == getuid() ? "as before" : geteuid() == 0 ? "raised to root" : "changed");
    printf("raw sockets %s\n", has_capability(CAP_NET_RAW) ? "allowed" : "refused");
    printf("comm %s execfn %s exe %s\n", comm, basename((char *)getauxval(AT_EXECFN)), basename(link));
    show_descriptors();
    return 0;
}
