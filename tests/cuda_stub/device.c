/* A CUDA driver without a GPU, for tests. Device memory is memory of the process, closed to everyone but the work in the
 * streams. Work is done as late as the rules allow: only when somebody waits for it, and then no more of it than that
 * needs, so that an event that is missing between two streams shows as wrong results. What a real driver would punish
 * at random (use after free, a missing context, a wrong one, leaks) is written down in stub_report(). */
#define _GNU_SOURCE
#include <cuda.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { DEPTH = 16, RESOURCES = 4096, TEXT = 1 << 18 };
enum kind { DEVICE, HOST };
enum work { COPY, CALL, RECORD, WAIT };

struct CUctx_st { int number, users, is_primary; };

struct operation {
    enum work work;
    void *to; const void *from; size_t size;
    CUhostFn function; void *argument;
    CUevent event; unsigned long ticket;
    struct operation *next;
};
struct CUstream_st { int number, alive; CUcontext context; struct operation *first, *last; };
struct CUevent_st { int number, alive; CUcontext context; CUstream stream; unsigned long asked, done; };
struct memory { char *start; size_t size, mapped; enum kind kind; int alive; CUcontext context; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct CUctx_st primary = {0, 0, 1}, others[8];
static int others_made, initialized;
static struct memory memories[RESOURCES];
static struct CUstream_st *streams[RESOURCES];
static struct CUevent_st *events[RESOURCES];
static int memory_count, stream_count, event_count;
static char violations[TEXT], trace[TEXT];
static CUresult sticky;
static char fail_name[64];
static int fail_in, fail_code;
static __thread struct { CUcontext held[DEPTH]; int depth; } current;
static pthread_key_t at_thread_end;

static void append(char *text, const char *format, ...) {
    size_t used = strlen(text);
    va_list more;
    va_start(more, format);
    vsnprintf(text + used, TEXT - used, format, more);
    va_end(more);
}
#define VIOLATION(...) append(violations, __VA_ARGS__)
#define TRACE(...) append(trace, __VA_ARGS__)

static int setting(const char *name, int otherwise) {
    const char *value = getenv(name);
    return value ? atoi(value) : otherwise;
}

static void thread_ends(void *unused) {
    (void)unused;
    if (current.depth) VIOLATION("a thread ended with %d contexts current\n", current.depth);
}

__attribute__((constructor)) static void loaded(void) { pthread_key_create(&at_thread_end, thread_ends); }

static CUresult injected(const char *name) {
    if (strcmp(name, fail_name)) return CUDA_SUCCESS;
    if (fail_in > 1) { fail_in--; return CUDA_SUCCESS; }
    return fail_code;
}

/* Every call: one at a time, after cuInit, with what a test wants to fail. */
#define ENTER(NAME) \
    pthread_mutex_lock(&lock); \
    CUresult status = initialized ? injected(NAME) : CUDA_ERROR_NOT_INITIALIZED; \
    if (status != CUDA_SUCCESS) goto end
#define ENTER_IN_CONTEXT(NAME) \
    CUcontext context = NULL; \
    ENTER(NAME); \
    if (sticky) { status = sticky; goto end; } \
    context = current.depth ? current.held[current.depth - 1] : NULL; \
    if (!context || !context->users) { \
        VIOLATION("%s without a current context\n", NAME); status = CUDA_ERROR_INVALID_CONTEXT; goto end; }
#define LEAVE end: pthread_mutex_unlock(&lock); return status

/* ---- memory ---- */

static struct memory *find(const void *address, size_t size) {
    for (int i = memory_count - 1; i >= 0; i--) {
        struct memory *m = &memories[i];
        if ((char *)address >= m->start && (char *)address + size <= m->start + m->size) return m;
    }
    return NULL;
}

static CUresult allocate(enum kind kind, CUcontext context, size_t size, void **address) {
    if (!size || memory_count == RESOURCES) return CUDA_ERROR_INVALID_VALUE;
    struct memory *m = &memories[memory_count];
    m->mapped = (size + 4095) & ~(size_t)4095;
    m->start = mmap(NULL, m->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->start == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    memset(m->start, 0xCD, size);
    m->size = size; m->kind = kind; m->alive = 1; m->context = context;
    if (kind == DEVICE) mprotect(m->start, m->mapped, PROT_NONE);
    TRACE("allocate %s %d\n", kind == DEVICE ? "device" : "host", memory_count++);
    *address = m->start;
    return CUDA_SUCCESS;
}

static int is_pending(struct memory *m) {
    for (int s = 0; s < stream_count; s++)
        for (struct operation *o = streams[s]->first; o; o = o->next)
            if (o->work == COPY && (((char *)o->to >= m->start && (char *)o->to < m->start + m->size) ||
                                    ((char *)o->from >= m->start && (char *)o->from < m->start + m->size)))
                return 1;
    return 0;
}

static CUresult release(enum kind kind, CUcontext context, void *address) {
    struct memory *m = find(address, 1);
    const char *word = kind == DEVICE ? "device" : "host";
    if (!m || m->kind != kind || m->start != address) {
        VIOLATION("free of %s memory that was never allocated\n", word);
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (!m->alive) { VIOLATION("double free of %s memory\n", word); return CUDA_ERROR_INVALID_VALUE; }
    if (m->context != context) {
        VIOLATION("free of %s memory in another context\n", word);
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (is_pending(m)) VIOLATION("free of %s memory that a copy still needs\n", word);
    m->alive = 0;
    mprotect(m->start, m->mapped, PROT_NONE); /* whoever touches it now, dies */
    TRACE("free %s %d\n", word, (int)(m - memories));
    return CUDA_SUCCESS;
}

static CUresult usable(const char *what, const void *address, size_t size, enum kind kind, CUcontext context) {
    struct memory *m = find(address, size);
    if (!m || m->kind != kind) {
        VIOLATION("%s outside of %s memory\n", what, kind == DEVICE ? "device" : "page-locked");
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (!m->alive) { VIOLATION("%s: use after free\n", what); return CUDA_ERROR_INVALID_VALUE; }
    if (context && m->context != context) { VIOLATION("%s in another context\n", what); return CUDA_ERROR_INVALID_CONTEXT; }
    return CUDA_SUCCESS;
}

static void open_device_memory(int open) {
    static int open_to; /* kernels of two threads may run at once */
    open_to += open ? 1 : -1;
    if (open_to != (open ? 1 : 0)) return;
    for (int i = 0; i < memory_count; i++)
        if (memories[i].alive && memories[i].kind == DEVICE)
            mprotect(memories[i].start, memories[i].mapped, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

/* ---- work in streams ---- */

static void run_one(CUstream stream);

static void run_until(CUevent event, unsigned long ticket) {
    while (event->done < ticket && event->stream->first) run_one(event->stream);
}

static void run_one(CUstream stream) {
    struct operation *o = stream->first;
    if (o->work == WAIT) run_until(o->event, o->ticket);
    stream->first = o->next;
    if (!stream->first) stream->last = NULL;
    if (o->work == RECORD) o->event->done = o->ticket;
    if (o->work == COPY) {
        struct memory *to = find(o->to, o->size), *from = find(o->from, o->size);
        if (!to || !from || !to->alive || !from->alive) {
            VIOLATION("a copy ran after its memory was freed\n");
            sticky = CUDA_ERROR_ILLEGAL_ADDRESS;
        } else {
            open_device_memory(1);
            memcpy(o->to, o->from, o->size);
            open_device_memory(0);
        }
        TRACE("ran copy on stream %d\n", stream->number);
    }
    if (o->work == CALL) {
        open_device_memory(1);
        TRACE("ran kernel on stream %d\n", stream->number);
        pthread_mutex_unlock(&lock); /* it may be Python, and wait for its own lock */
        o->function(o->argument);
        pthread_mutex_lock(&lock);
        open_device_memory(0);
    }
    free(o);
}

static struct operation *enqueue(CUstream stream, enum work work) {
    struct operation *o = calloc(1, sizeof *o);
    o->work = work;
    if (stream->last) stream->last->next = o; else stream->first = o;
    return stream->last = o;
}

static CUresult good_stream(const char *what, CUstream stream, CUcontext context) {
    if (!stream) { VIOLATION("%s on the default stream\n", what); return CUDA_ERROR_INVALID_HANDLE; }
    if (!stream->alive) { VIOLATION("%s on a destroyed stream\n", what); return CUDA_ERROR_INVALID_HANDLE; }
    if (stream->context != context) { VIOLATION("%s on a stream of another context\n", what); return CUDA_ERROR_INVALID_CONTEXT; }
    return CUDA_SUCCESS;
}

static CUresult good_event(const char *what, CUevent event, CUcontext context) {
    if (!event->alive) { VIOLATION("%s of a destroyed event\n", what); return CUDA_ERROR_INVALID_HANDLE; }
    if (event->context != context) { VIOLATION("%s of an event of another context\n", what); return CUDA_ERROR_INVALID_CONTEXT; }
    return CUDA_SUCCESS;
}

/* ---- what tests ask ---- */

static int alive(enum kind kind) {
    int n = 0;
    for (int i = 0; i < memory_count; i++) n += memories[i].alive && memories[i].kind == kind;
    return n;
}

/* From the nth call of that name on; "" ends it. */
void stub_fail(const char *name, int nth, int code) {
    snprintf(fail_name, sizeof fail_name, "%s", name);
    fail_in = nth; fail_code = code;
}

const char *stub_trace(void) { return trace; }
const char *stub_violations(void) { return violations; }

/* Device memory, page-locked memory, streams, events, users of the primary context, contexts current here. */
void stub_alive(int out[6]) {
    out[0] = alive(DEVICE); out[1] = alive(HOST); out[2] = out[3] = 0;
    for (int i = 0; i < stream_count; i++) out[2] += streams[i]->alive;
    for (int i = 0; i < event_count; i++) out[3] += events[i]->alive;
    out[4] = primary.users; out[5] = current.depth;
}

/* What lies on the device, whatever still waits in the streams; 0 where that is no device memory. */
int stub_peek(unsigned long long address, void *out, size_t size) {
    struct memory *m = find((void *)address, size);
    if (!m || m->kind != DEVICE || !m->alive) return 0;
    open_device_memory(1);
    memcpy(out, (void *)address, size);
    open_device_memory(0);
    return 1;
}

/* ---- driver and device ---- */

CUresult cuInit(unsigned flags) {
    (void)flags;
    CUresult status = setting("STUB_INIT", setting("STUB_DEVICES", 1) ? 0 : CUDA_ERROR_NO_DEVICE);
    initialized = status == CUDA_SUCCESS;
    return status;
}
CUresult cuDriverGetVersion(int *version) { *version = setting("STUB_CUDA", 13000); return CUDA_SUCCESS; }
CUresult cuDeviceGetCount(int *count) { *count = setting("STUB_DEVICES", 1); return CUDA_SUCCESS; }
CUresult cuDeviceGet(CUdevice *device, int ordinal) { *device = ordinal; return ordinal ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS; }
CUresult cuDeviceGetName(char *name, int size, CUdevice device) { (void)device; snprintf(name, size, "Stub GPU"); return CUDA_SUCCESS; }
CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute which, CUdevice device) {
    (void)device;
    *value = which == CU_DEVICE_ATTRIBUTE_INTEGRATED                 ? setting("STUB_INTEGRATED", 0)
             : which == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 8
             : which == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR ? 7
                                                                     : 1;
    return CUDA_SUCCESS;
}
CUresult cuGetErrorName(CUresult error, const char **text) {
    static __thread char name[40];
    snprintf(name, sizeof name, "CUDA_ERROR_%d", (int)error);
    *text = name;
    return CUDA_SUCCESS;
}
CUresult cuGetErrorString(CUresult error, const char **text) {
    *text = error == CUDA_ERROR_OUT_OF_MEMORY ? "out of memory" : "an error of the stub driver";
    return CUDA_SUCCESS;
}

/* ---- contexts ---- */

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    (void)device;
    ENTER("cuDevicePrimaryCtxRetain");
    primary.users++;
    TRACE("retain\n");
    *context = &primary;
    LEAVE;
}
CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
    (void)device;
    ENTER("cuDevicePrimaryCtxRelease");
    if (!primary.users) { VIOLATION("release of a primary context that nobody retained\n"); status = CUDA_ERROR_INVALID_CONTEXT; goto end; }
    TRACE("release\n");
    if (--primary.users == 0) {
        int left[6];
        stub_alive(left);
        if (left[0] + left[1] + left[2] + left[3])
            VIOLATION("the context was given back with %d device and %d host memory, %d streams, %d events\n", left[0],
                      left[1], left[2], left[3]);
    }
    LEAVE;
}
CUresult cuCtxCreate(CUcontext *context, CUctxCreateParams *how, unsigned flags, CUdevice device) {
    (void)how, (void)flags, (void)device;
    ENTER("cuCtxCreate");
    *context = &others[others_made];
    **context = (struct CUctx_st){++others_made, 1, 0};
    current.held[current.depth++] = *context;
    pthread_setspecific(at_thread_end, &current);
    LEAVE;
}
CUresult cuCtxDetach(CUcontext context) {
    ENTER("cuCtxDetach");
    context->users--;
    if (current.depth && current.held[current.depth - 1] == context) current.depth--;
    LEAVE;
}
CUresult cuCtxPushCurrent(CUcontext context) {
    ENTER("cuCtxPushCurrent");
    if (!context->users) { VIOLATION("push of a context that was given back\n"); status = CUDA_ERROR_INVALID_CONTEXT; goto end; }
    current.held[current.depth++] = context;
    pthread_setspecific(at_thread_end, &current);
    LEAVE;
}
CUresult cuCtxPopCurrent(CUcontext *context) {
    ENTER("cuCtxPopCurrent");
    if (!current.depth) { VIOLATION("pop in a thread without a context\n"); status = CUDA_ERROR_INVALID_CONTEXT; goto end; }
    *context = current.held[--current.depth];
    LEAVE;
}
CUresult cuCtxGetDevice(CUdevice *device) {
    ENTER_IN_CONTEXT("cuCtxGetDevice");
    *device = 0;
    LEAVE;
}

/* ---- memory ---- */

CUresult cuMemAlloc(CUdeviceptr *address, size_t size) {
    ENTER_IN_CONTEXT("cuMemAlloc");
    void *start = NULL;
    status = allocate(DEVICE, context, size, &start);
    *address = (CUdeviceptr)start;
    LEAVE;
}
CUresult cuMemFree(CUdeviceptr address) {
    ENTER_IN_CONTEXT("cuMemFree");
    status = release(DEVICE, context, (void *)address);
    LEAVE;
}
CUresult cuMemHostAlloc(void **address, size_t size, unsigned flags) {
    (void)flags;
    ENTER_IN_CONTEXT("cuMemHostAlloc");
    status = allocate(HOST, context, size, address);
    LEAVE;
}
CUresult cuMemFreeHost(void *address) {
    ENTER_IN_CONTEXT("cuMemFreeHost");
    status = release(HOST, context, address);
    LEAVE;
}
CUresult cuMemHostGetDevicePointer(CUdeviceptr *device, void *host, unsigned flags) {
    (void)flags;
    ENTER_IN_CONTEXT("cuMemHostGetDevicePointer");
    status = usable("cuMemHostGetDevicePointer", host, 1, HOST, context);
    *device = (CUdeviceptr)host;
    LEAVE;
}

static CUresult copy_later(const char *what, void *to, enum kind to_kind, const void *from, enum kind from_kind, size_t size,
                           CUstream stream, CUcontext context) {
    CUresult status = good_stream(what, stream, context);
    if (!status) status = usable(what, to, size, to_kind, context);
    if (!status) status = usable(what, from, size, from_kind, context);
    if (status) return status;
    struct operation *o = enqueue(stream, COPY);
    o->to = to; o->from = from; o->size = size;
    TRACE("%s on stream %d\n", what, stream->number);
    return CUDA_SUCCESS;
}
CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t size, CUstream stream) {
    ENTER_IN_CONTEXT("cuMemcpyHtoDAsync");
    status = copy_later("upload", (void *)to, DEVICE, from, HOST, size, stream, context);
    LEAVE;
}
CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t size, CUstream stream) {
    ENTER_IN_CONTEXT("cuMemcpyDtoHAsync");
    status = copy_later("download", to, HOST, (void *)from, DEVICE, size, stream, context);
    LEAVE;
}

/* ---- streams and events ---- */

CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
    ENTER_IN_CONTEXT("cuStreamCreate");
    if (flags != CU_STREAM_NON_BLOCKING) VIOLATION("a stream that waits for the default stream\n");
    CUstream made = streams[stream_count] = calloc(1, sizeof *made);
    made->number = stream_count++; made->alive = 1; made->context = context;
    TRACE("create stream %d\n", made->number);
    *stream = made;
    LEAVE;
}
CUresult cuStreamDestroy(CUstream stream) {
    ENTER_IN_CONTEXT("cuStreamDestroy");
    if ((status = good_stream("destroy", stream, context))) goto end;
    if (stream->first) VIOLATION("a stream was destroyed with work in it\n");
    stream->alive = 0;
    TRACE("destroy stream %d\n", stream->number);
    LEAVE;
}
CUresult cuStreamSynchronize(CUstream stream) {
    ENTER_IN_CONTEXT("cuStreamSynchronize");
    if ((status = good_stream("synchronize", stream, context))) goto end;
    while (stream->first) run_one(stream);
    TRACE("waited for stream %d\n", stream->number);
    status = sticky;
    LEAVE;
}
CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
    (void)flags;
    ENTER_IN_CONTEXT("cuStreamWaitEvent");
    if ((status = good_stream("wait", stream, context)) || (status = good_event("wait", event, context))) goto end;
    if (!event->asked) { VIOLATION("a wait for an event that was never recorded\n"); goto end; }
    struct operation *o = enqueue(stream, WAIT);
    o->event = event; o->ticket = event->asked;
    LEAVE;
}
CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void *argument) {
    ENTER_IN_CONTEXT("cuLaunchHostFunc");
    if ((status = good_stream("kernel", stream, context))) goto end;
    struct operation *o = enqueue(stream, CALL);
    o->function = function; o->argument = argument;
    TRACE("kernel on stream %d\n", stream->number);
    LEAVE;
}
CUresult cuEventCreate(CUevent *event, unsigned flags) {
    ENTER_IN_CONTEXT("cuEventCreate");
    if (!(flags & CU_EVENT_BLOCKING_SYNC)) VIOLATION("an event whose waiter would spin\n");
    CUevent made = events[event_count] = calloc(1, sizeof *made);
    made->number = event_count++; made->alive = 1; made->context = context;
    TRACE("create event %d\n", made->number);
    *event = made;
    LEAVE;
}
CUresult cuEventDestroy(CUevent event) {
    ENTER_IN_CONTEXT("cuEventDestroy");
    if ((status = good_event("destroy", event, context))) goto end;
    event->alive = 0;
    TRACE("destroy event %d\n", event->number);
    LEAVE;
}
CUresult cuEventRecord(CUevent event, CUstream stream) {
    ENTER_IN_CONTEXT("cuEventRecord");
    if ((status = good_stream("record", stream, context)) || (status = good_event("record", event, context))) goto end;
    event->stream = stream;
    struct operation *o = enqueue(stream, RECORD);
    o->event = event; o->ticket = ++event->asked;
    LEAVE;
}
CUresult cuEventSynchronize(CUevent event) {
    ENTER_IN_CONTEXT("cuEventSynchronize");
    if ((status = good_event("synchronize", event, context))) goto end;
    run_until(event, event->asked);
    TRACE("waited for event %d\n", event->number);
    status = sticky;
    LEAVE;
}
