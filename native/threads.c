/* A few threads in reserve, for when the system gives the process no more.
 *
 * .NET ends the whole process where its pool cannot have a thread that it wants (RLIMIT_NPROC, the pids limit of a container). So some
 * threads are made while that still succeeds and sleep, and one of them does the work of a thread that could not be made. From then on the
 * pool is told to be content with what it has, and calls that would need more are refused: ThreadReserve.cs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { RESERVE = 4, OWN_STACK = 1 << 20 };

typedef void *start_function(void *);

struct sleeper {
    struct sleeper *next;
    pthread_cond_t wake;
    start_function *start;
    void *argument;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t asleep = PTHREAD_COND_INITIALIZER;
static struct sleeper *sleepers;
/* that sleep, and that are about to */
static atomic_int count;
/* told when one had to be taken */
static void (*_Atomic scarce)(void);

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *how, start_function *start, void *argument);

static void *sleep_until_needed(void *unused)
{
    struct sleeper self = {.wake = PTHREAD_COND_INITIALIZER};
    (void)unused;
    pthread_mutex_lock(&lock);
    self.next = sleepers;
    sleepers = &self;
    pthread_cond_signal(&asleep);
    while (self.start == NULL)
        pthread_cond_wait(&self.wake, &lock);
    pthread_mutex_unlock(&lock);
    return self.start(self.argument);
}

/* Fills the reserve as far as the system lets it; how many there are. */
int32_t s3dlio_threads_reserve(void (*when_scarce)(void));
int32_t s3dlio_threads_reserve(void (*when_scarce)(void))
{
    pthread_attr_t how;
    atomic_store(&scarce, when_scarce);
    if (atomic_load(&count) >= RESERVE || pthread_attr_init(&how) != 0)
        return atomic_load(&count);
    (void)pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
    pthread_mutex_lock(&lock);
    while (atomic_load(&count) < RESERVE) {
        pthread_t made;
        if (__real_pthread_create(&made, &how, sleep_until_needed, NULL) != 0)
            break;
        atomic_fetch_add(&count, 1);
    }
    pthread_mutex_unlock(&lock);
    (void)pthread_attr_destroy(&how);
    return atomic_load(&count);
}

static int give(start_function *start, void *argument)
{
    pthread_mutex_lock(&lock);
    while (sleepers == NULL && atomic_load(&count) > 0)
        pthread_cond_wait(&asleep, &lock);
    struct sleeper *taken = sleepers;
    if (taken != NULL) {
        sleepers = taken->next;
        atomic_fetch_sub(&count, 1);
        taken->start = start;
        taken->argument = argument;
        pthread_cond_signal(&taken->wake);
    }
    pthread_mutex_unlock(&lock);
    return taken != NULL;
}

/* All threads of the runtime are made here. Those with a stack of the library's own measure are not needed: their makers know what to do. */
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, start_function *start, void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, start_function *start, void *argument)
{
    size_t stack = 0;
    int detached = 0;
    int error = __real_pthread_create(thread, how, start, argument);
    /* the runtime's first: without it the process ends, and a thread that has just ended may count for a moment longer */
    for (int i = 0; error == EAGAIN && i < 50 && atomic_load(&scarce) == NULL; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        error = __real_pthread_create(thread, how, start, argument);
    }
    if (error == 0)
        return 0;
    if (how == NULL || pthread_attr_getdetachstate(how, &detached) != 0 || detached != PTHREAD_CREATE_DETACHED)
        return error;
    if (pthread_attr_getstacksize(how, &stack) == 0 && stack == OWN_STACK)
        return error;
    /* before the thread begins, since the first that it does may be to want another */
    void (*tell)(void) = atomic_load(&scarce);
    if (tell != NULL)
        tell();
    if (!give(start, argument))
        return error;
    /* the number of a detached thread is not used */
    *thread = pthread_self();
    return 0;
}
