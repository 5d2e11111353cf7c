/* A file system that answers with an error where it is told to: preload it.

   FILE_SYSTEM_FAULTS holds rules, one a line: CALL PATTERN ERRNO SKIP TIMES AFTER, such
   as "sync *.zip 5 1 0 -": all syncs of a ZIP but the first answer errno 5. TIMES of 0
   means each time; AFTER is a file that must hold something before. Each fault adds a line to FILE_SYSTEM_FAULTS_LOG. Linux with glibc alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_RULES 16
#define MAX_TEXT 4096

struct rule {
    char call[16], pattern[512], after[512];
    int number, skip, times;
};

static struct rule rules[MAX_RULES];
static int rule_count;
static char current[MAX_TEXT];
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

/* A forked process gets its environment late, so rules are read whenever they differ. */
static void read_rules(void) {
    const char *text = getenv("FILE_SYSTEM_FAULTS");
    if (text == NULL) text = "";
    if (strncmp(text, current, MAX_TEXT - 1) == 0) return;
    char copy[MAX_TEXT], *rest = copy, *line;
    strncpy(current, text, MAX_TEXT - 1);
    strcpy(copy, current);
    rule_count = 0;
    while (rule_count < MAX_RULES && (line = strsep(&rest, "\n")) != NULL) {
        struct rule *rule = &rules[rule_count];
        if (sscanf(line, "%15s %511s %d %d %d %511s", rule->call,
                   rule->pattern, &rule->number, &rule->skip, &rule->times,
                   rule->after) == 6)
            rule_count++;
    }
}

/* By the system's own calls, which nothing here takes the place of. */
static void note(const char *call, const char *path) {
    const char *place = getenv("FILE_SYSTEM_FAULTS_LOG");
    char line[MAX_TEXT];
    if (place == NULL) return;
    int flags = O_WRONLY | O_APPEND | O_CREAT;
    long fd = syscall(SYS_openat, AT_FDCWD, place, flags, 0644);
    if (fd < 0) return;
    snprintf(line, sizeof line, "%s %s\n", call, path);
    syscall(SYS_write, fd, line, strlen(line));
    syscall(SYS_close, fd);
}

static int holds_something(const char *path) {
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0) return 0;
    long size = syscall(SYS_lseek, fd, 0, SEEK_END);
    syscall(SYS_close, fd);
    return size > 0;
}

static int fault(const char *call, const char *path) {
    int number = 0, before = errno;
    if (path == NULL) return 0;
    pthread_mutex_lock(&guard);
    read_rules();
    for (int i = 0; i < rule_count && !number; i++) {
        struct rule *rule = &rules[i];
        if (strcmp(rule->call, call) || fnmatch(rule->pattern, path, 0)) continue;
        if (strcmp(rule->after, "-") && !holds_something(rule->after)) continue;
        if (rule->skip > 0) rule->skip--;
        else if (rule->times >= 0) {
            number = rule->number;
            if (rule->times == 1) rule->times = -1; /* the last time */
            else if (rule->times > 1) rule->times--;
        }
    }
    pthread_mutex_unlock(&guard);
    if (number) note(call, path);
    errno = before;
    return number;
}

static int fault_of(const char *call, int descriptor) {
    char link[64], path[4096];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0) return 0;
    path[length] = 0;
    return fault(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define REFUSE(number, value) \
    do { int it = (number); if (it) { errno = it; return value; } } while (0)

#define ON_FILE(type, name, call, parameters, arguments) \
    type name parameters { \
        REFUSE(fault_of(call, fd), -1); \
        return REAL(name) arguments; \
    }
#define ON_PATH(type, name, call, parameters, arguments) \
    type name parameters { \
        REFUSE(fault(call, path), -1); \
        return REAL(name) arguments; \
    }

ON_FILE(int, fsync, "sync", (int fd), (fd))
ON_FILE(int, fdatasync, "sync", (int fd), (fd))
ON_FILE(int, flock, "lock", (int fd, int how), (fd, how))
ON_FILE(ssize_t, write, "write", (int fd, const void *data, size_t size),
        (fd, data, size))
ON_FILE(ssize_t, pwrite, "write", (int fd, const void *data, size_t size, off_t at),
        (fd, data, size, at))
ON_FILE(ssize_t, pwrite64, "write", (int fd, const void *data, size_t size, off64_t at),
        (fd, data, size, at))
ON_FILE(ssize_t, writev, "write", (int fd, const struct iovec *parts, int count),
        (fd, parts, count))
ON_FILE(ssize_t, pwritev, "write",
        (int fd, const struct iovec *parts, int count, off_t at),
        (fd, parts, count, at))
ON_FILE(ssize_t, pwritev64, "write",
        (int fd, const struct iovec *parts, int count, off64_t at),
        (fd, parts, count, at))
ON_FILE(ssize_t, pwritev2, "write",
        (int fd, const struct iovec *parts, int count, off_t at, int how),
        (fd, parts, count, at, how))
ON_FILE(ssize_t, pwritev64v2, "write",
        (int fd, const struct iovec *parts, int count, off64_t at, int how),
        (fd, parts, count, at, how))
ON_FILE(ssize_t, read, "read", (int fd, void *data, size_t size), (fd, data, size))
ON_FILE(ssize_t, pread, "read", (int fd, void *data, size_t size, off_t at),
        (fd, data, size, at))
ON_FILE(ssize_t, pread64, "read", (int fd, void *data, size_t size, off64_t at),
        (fd, data, size, at))
ON_FILE(int, fallocate, "allocate", (int fd, int how, off_t at, off_t size),
        (fd, how, at, size))
ON_FILE(int, fallocate64, "allocate", (int fd, int how, off64_t at, off64_t size),
        (fd, how, at, size))
ON_FILE(int, ftruncate, "cut", (int fd, off_t size), (fd, size))
ON_FILE(int, ftruncate64, "cut", (int fd, off64_t size), (fd, size))

int posix_fallocate(int fd, off_t at, off_t size) {
    int number = fault_of("allocate", fd);
    return number ? number : REAL(posix_fallocate)(fd, at, size);
}
int posix_fallocate64(int fd, off64_t at, off64_t size) {
    int number = fault_of("allocate", fd);
    return number ? number : REAL(posix_fallocate64)(fd, at, size);
}

ON_PATH(int, unlink, "unlink", (const char *path), (path))
ON_PATH(int, mkdir, "mkdir", (const char *path, mode_t mode), (path, mode))
ON_PATH(int, stat, "stat", (const char *path, struct stat *it), (path, it))
ON_PATH(int, stat64, "stat", (const char *path, struct stat64 *it), (path, it))
ON_PATH(int, lstat, "stat", (const char *path, struct stat *it), (path, it))
ON_PATH(int, lstat64, "stat", (const char *path, struct stat64 *it), (path, it))
ON_PATH(int, fstatat, "stat", (int at, const char *path, struct stat *it, int how),
        (at, path, it, how))
ON_PATH(int, fstatat64, "stat", (int at, const char *path, struct stat64 *it, int how),
        (at, path, it, how))
ON_PATH(int, statx, "stat",
        (int at, const char *path, int how, unsigned mask, struct statx *it),
        (at, path, how, mask, it))

int rename(const char *from, const char *path) {
    REFUSE(fault("rename", path), -1);
    return REAL(rename)(from, path);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        REFUSE(fault("open", path), -1); \
        return REAL(name)(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define MAP(name, offset) \
    void *name(void *at, size_t size, int how, int flags, int fd, offset from) { \
        if (!(flags & MAP_ANONYMOUS)) REFUSE(fault_of("map", fd), MAP_FAILED); \
        return REAL(name)(at, size, how, flags, fd, from); \
    }
MAP(mmap, off_t)
MAP(mmap64, off64_t)

#define CONTROL(name) \
    int name(int fd, int command, ...) { \
        va_list rest; \
        va_start(rest, command); \
        void *argument = va_arg(rest, void *); \
        va_end(rest); \
        int is_lock = command == F_SETLK || command == F_SETLKW \
            || command == F_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW; \
        if (is_lock) REFUSE(fault_of("record-lock", fd), -1); \
        return REAL(name)(fd, command, argument); \
    }
CONTROL(fcntl)
CONTROL(fcntl64)
