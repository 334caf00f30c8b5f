/* fsync and fdatasync that lie, or that fail once; an end at the n-th step. See preload.rs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int has_failed = 0;
static int steps = 0;

/* Kills the process before its n-th step that lasts. */
static void step(void) {
    const char *at = getenv("FAULT_KILL_AT");
    if (at && __atomic_add_fetch(&steps, 1, __ATOMIC_SEQ_CST) == atoi(at)) raise(SIGKILL);
}

static void mark(const char *trigger, const char *suffix) {
    char path[4096];
    snprintf(path, sizeof path, "%s%s", trigger, suffix);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    if (fd >= 0) close(fd);
}

/* 0: do it, 1: say that it is done, -1: fail. */
static int verdict(int fd) {
    const char *mode = getenv("FAULT_SYNC");
    if (!mode) return 0;
    if (!strcmp(mode, "lie")) return 1;
    const char *trigger = getenv("FAULT_TRIGGER"), *name = getenv("FAULT_FILE");
    if (!trigger || !name) return 0;
    if (__atomic_load_n(&has_failed, __ATOMIC_SEQ_CST)) {
        mark(trigger, ".again");
        return 0;
    }
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    const char *last = strrchr(path, '/');
    if (strcmp(last ? last + 1 : path, name) || unlink(trigger)) return 0;
    __atomic_store_n(&has_failed, 1, __ATOMIC_SEQ_CST);
    mark(trigger, ".failed");
    return -1;
}

static int stand_in(const char *name, int fd) {
    step();
    int todo = verdict(fd);
    if (todo > 0) return 0;
    if (todo < 0) {
        errno = EIO;
        return -1;
    }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return real(fd);
}

int fsync(int fd) { return stand_in("fsync", fd); }
int fdatasync(int fd) { return stand_in("fdatasync", fd); }

int rename(const char *from, const char *to) {
    step();
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    return real(from, to);
}

int unlink(const char *path) {
    step();
    int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    return real(path);
}
