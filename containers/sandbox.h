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
    bool processes;     /* as sandbox_has_processes() says; then this is the namespace's first process */
    bool read_only;
    bool binfmt; /* in: wanted; out: there is a private binfmt_misc in which xemu is registered */
};

/* Mounts /proc, /dev, /sys, resolv.conf and the --bind options in the system and makes it the root directory.
 */
void sandbox_mount(struct sandbox *sandbox);

#endif
