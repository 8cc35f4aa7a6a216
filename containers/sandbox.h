/* Namespaces and mounts for xemu run-root. All functions die with one clear line. */
#ifndef CONTAINERS_SANDBOX_H
#define CONTAINERS_SANDBOX_H

#include <stdbool.h>

/* Makes this process root in user and mount namespaces of its own. Returns whether there are more users than
 * this one (from /etc/subuid by newuidmap; all, if it was started by root). */
bool sandbox_enter(void);

/* Whether a process namespace with a /proc of its own can be had. In a container /proc may be masked, and
 * then the kernel refuses. */
bool sandbox_has_processes(void);

struct sandbox {
    const char *root;   /* directory of the ARM64 system */
    const char *binary; /* xemu-static, absolute */
    bool by_root;       /* the machine's root started it, whose user the system's root is then */
    bool processes;     /* as sandbox_has_processes() says; then this is the namespace's first process */
    bool read_only;
    bool binfmt; /* in: wanted; out: there is a private binfmt_misc in which xemu is registered */
};

/* Shows the file or directory `from` at `place`, where it cannot be written; so is what is mounted below it,
 * from Linux 5.12 on. False, and errno: that failed. */
bool bind_read_only(const char *from, const char *place);

/* Mounts /proc, /dev, /sys, resolv.conf and the --bind options in the system and makes it the root directory.
 */
void sandbox_mount(struct sandbox *sandbox);

#endif
