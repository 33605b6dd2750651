/*
 * s3dlio: objects, arrays and tensors in files, in memory and in object stores.
 *
 * This file is the whole contract of libs3dlio.so. docs/abi.md explains it with an example;
 * native/examples/objects.c is a program that uses most of it.
 *
 * Calls
 *   Functions are named s3dlio_<noun>_<verb>. Inputs come first, results last as `out_*`. Every function returns a
 *   status, but for the two that give the version. No function aborts, throws or leaves a signal handler changed.
 *
 * Status
 *   S3DLIO_OK is 0 and the only success. Positive values are failures; new ones may be added, so treat an unknown
 *   one as S3DLIO_INTERNAL. The two negative values are no failures: S3DLIO_PENDING says that an operation has not
 *   ended yet, S3DLIO_END that a listing has no further entry. What a failing call left in its results is
 *   undefined, unless said otherwise; ids are set to 0.
 *
 * Errors
 *   A failing call leaves a message, the object's address and a detail with its thread: s3dlio_last_error. That an
 *   operation failed is told by the s3dlio_op_wait or s3dlio_op_result that finds it ended, and remembered for the
 *   thread that calls it. Calls that succeed leave the last error alone. Messages never hold credentials.
 *
 * Ids
 *   Stores, operations, lists, files, writers, logs, tables and scans are numbers, never 0 and never used twice in a process. A closed number
 *   gives S3DLIO_CLOSED, an invented one or one of another noun S3DLIO_INVALID_ARGUMENT; neither does harm.
 *   Closing or freeing 0, or what is closed already, does nothing and succeeds.
 *
 * Text
 *   All text is UTF-8. Keys and paths are given with their length, need no NUL and must not hold one; they may hold
 *   every other character. At most 64 KiB are read; stores allow 1,024 bytes together with the prefix of their address,
 *   file systems usually 255 between two '/'. Keys are relative to the store's address and do not begin with '/'.
 *   What is not valid UTF-8 is refused, except that names of local files may carry other bytes: keys, paths, addresses,
 *   the keys of listings and the uri of an error are those bytes as they are. JSON, given or taken, has each of them as
 *   the escape of a lone surrogate: "\udc80" to "\udcff" for the bytes 0x80 to 0xff.
 *   Everything else (addresses, options, descriptions) ends with a NUL and has at most 256 MiB.
 *
 * Options
 *   A JSON object such as {"overwrite":false}. NULL and "" mean none; a member that is null counts as not given. An
 *   unknown name, a name given twice and a wrong type are S3DLIO_INVALID_ARGUMENT.
 *
 * Memory
 *   Text, options and arrays of structs are copied before the call returns. Memory that an operation reads from
 *   (`data` of a put, segments) or writes to (`data` of a read) stays the caller's and belongs to the operation
 *   until it has ended: until s3dlio_op_wait or s3dlio_op_result returned something other than S3DLIO_PENDING, or
 *   s3dlio_op_free returned, or s3dlio_op_abandon something other than S3DLIO_PENDING. A cancel does not end an operation by itself. After a read that failed, the content of
 *   the memory is undefined. A NULL `data` is allowed where the length is 0. What the library hands out is valid as
 *   long as the function says, and never to be freed by the caller.
 *
 * Structs
 *   Every struct begins with struct_size, which the caller sets to sizeof the struct; `reserved` is 0. Later releases
 *   may append fields, and a caller and a library of different releases work together: fields that an older caller does
 *   not have count as 0 in what it passes, and are not written in what it gets. What a newer caller has beyond the
 *   fields that the library knows must be 0 in what it passes, or the call is S3DLIO_INVALID_ARGUMENT, since it asks
 *   for what the library cannot do; in what it gets it is left alone, so zero the struct first. A size smaller than the
 *   struct had in the first release of this ABI version, 0 among them, is S3DLIO_INVALID_ARGUMENT, and so is one of
 *   more than 4,096 bytes, or no multiple of 8, in what is passed. All structs of an array have one size; of an array of
 *   results only the first one's is looked at, and the others' are set.
 *
 * Threads
 *   Every function may be called from any thread at any time, also with the same id. Threads that use one list take
 *   turns inside the library; since an entry's key is valid until the next entry, they had better share it by pages.
 *
 * Fork
 *   The library runs threads of its own, which a forked child does not have: in the child no function of the copy
 *   that the parent used may be called, not even to close or free. A child that needs the library loads a private
 *   copy (docs/abi.md says how); ids of the parent mean nothing to it. Never dlclose the library.
 *
 * Stability
 *   S3DLIO_ABI_VERSION grows when anything described here is removed or changes its meaning; a caller compares it
 *   with s3dlio_abi_version() once, after loading. Within a version there may be new functions, fields appended to
 *   structs, options, members of JSON results and status codes.
 */
#ifndef S3DLIO_H
#define S3DLIO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define S3DLIO_ABI_VERSION 2

enum s3dlio_status {
    S3DLIO_END = -2,              /* the listing has no further entry */
    S3DLIO_PENDING = -1,          /* the operation has not ended */
    S3DLIO_OK = 0,
    S3DLIO_NOT_FOUND = 1,         /* the object, its parent or its bucket is not there */
    S3DLIO_ALREADY_EXISTS = 2,    /* a create-only write met an object of that name, or a compressed one the plain object */
    S3DLIO_PRECONDITION = 3,      /* a condition of the call, such as an ETag, no longer holds */
    S3DLIO_PERMISSION_DENIED = 4, /* known credentials that may not do this */
    S3DLIO_AUTHENTICATION = 5,    /* credentials that are missing, wrong or expired */
    S3DLIO_INVALID_ARGUMENT = 6,  /* the call itself is wrong; repeating it cannot help */
    S3DLIO_INVALID_DATA = 7,      /* the object is there and is not what its format demands */
    S3DLIO_CHECKSUM_MISMATCH = 8, /* the bytes read are not the bytes that were written */
    S3DLIO_TIMEOUT = 9,           /* the time given for the call ran out */
    S3DLIO_UNAVAILABLE = 10,      /* the store cannot be reached or cannot answer now; trying later may help */
    S3DLIO_OUT_OF_SPACE = 11,     /* the disk, the quota or the memory is full */
    S3DLIO_CANCELLED = 12,        /* the caller cancelled the operation */
    S3DLIO_CLOSED = 13,           /* the store, operation, list or file was closed */
    S3DLIO_INTERNAL = 14,         /* a fault of the library; please report it */
    S3DLIO_IS_DIRECTORY = 15,     /* a directory stands where an object was asked for */
    S3DLIO_NOT_DIRECTORY = 16     /* an object stands where the path needs a directory */
};

/* Why, where a status has several causes that are mended in different ways. Take an unknown one for S3DLIO_REASON_NONE. */
enum s3dlio_reason {
    S3DLIO_REASON_NONE = 0,                /* the status says it all */
    S3DLIO_REASON_UNKNOWN_ACCESS_KEY = 1,  /* AUTHENTICATION: the service does not know the access key's id */
    S3DLIO_REASON_WRONG_SECRET = 2,        /* AUTHENTICATION: secret key, account key or signature do not belong to the login */
    S3DLIO_REASON_EXPIRED_CREDENTIALS = 3, /* AUTHENTICATION: they were valid once */
    S3DLIO_REASON_NO_CREDENTIALS = 4,      /* AUTHENTICATION: none were given, none were found */
    S3DLIO_REASON_CLOCK_SKEW = 5,          /* AUTHENTICATION: this machine's clock and the service's differ too much */
    S3DLIO_REASON_NO_SUCH_BUCKET = 6,      /* NOT_FOUND: the bucket or container is not there */
    S3DLIO_REASON_NO_SUCH_ACCOUNT = 7,     /* NOT_FOUND: the storage account is not there */
    S3DLIO_REASON_CERTIFICATE = 8,         /* UNAVAILABLE: the TLS certificate is not trusted, expired or another host's */
    S3DLIO_REASON_CONNECTION_REFUSED = 9,  /* UNAVAILABLE: nothing listens at the address */
    S3DLIO_REASON_NAME_RESOLUTION = 10,    /* UNAVAILABLE: the host's name cannot be resolved */
    S3DLIO_REASON_WRONG_REGION = 11,       /* INVALID_ARGUMENT: the bucket is in another region */
    S3DLIO_REASON_NO_CHECKSUM = 12         /* INVALID_DATA: require_validation, and nothing is recorded to compare with */
};

/* ---- version and errors ------------------------------------------------------------------------------------- */

uint32_t s3dlio_abi_version(void);

/* The release, such as "0.1.0". Valid for the life of the process. */
const char *s3dlio_version(void);

/* Where the program s3dlio is, which asks Amazon's and Microsoft's chains of credential providers when neither options, nor the
 * environment, nor files hold what to log in with: an absolute path. Without a call, or with "", it is looked for beside this library. A program that loads a copy
 * of this library from elsewhere, such as memory, says it here. */
int32_t s3dlio_credentials_program(const char *program);

/* Records every operation on every store of this process, those open already included, until s3dlio_oplog_end: a line each, parted by tabs, in
 * the file of that absolute path, which is replaced; zstd frames where it ends with ".zst". docs/cli.md has the columns. ALREADY_EXISTS while another
 * log is written. Options: "level" (1 to 22, default 1) of zstd, "client_id" (text, default host and process). */
int32_t s3dlio_oplog_begin(const char *path, const char *options_json);

/* Ends it; all of it is in the file then. OUT_OF_SPACE where the file could not take all. Without a log nothing happens. */
int32_t s3dlio_oplog_end(void);

/* Rows of the log so far; -1 where none is written. */
int32_t s3dlio_oplog_rows(int64_t *out_rows);

/* The CRC32C of so many bytes; of none it is 0. */
int32_t s3dlio_crc32c(const void *data, uint64_t length, uint32_t *out_crc32c);

/* The CRC32C of what has crc32c, followed by so many bytes; that of nothing is 0. */
int32_t s3dlio_crc32c_append(uint32_t crc32c, const void *data, uint64_t length, uint32_t *out_crc32c);

typedef struct s3dlio_error {
    uint32_t struct_size;
    int32_t kind;        /* the status; 0: this thread has not failed yet */
    int64_t offset;      /* byte of the object where the fault was found, or -1 */
    const char *message; /* uri, offset and detail in one line */
    const char *uri;     /* the object or store concerned; of a local file perhaps not UTF-8 */
    const char *detail;  /* expected, found, and what to do */
    int32_t reason;      /* enum s3dlio_reason; only written where struct_size has room for it */
} s3dlio_error;

/*
 * The last failure of this thread. The texts are valid until the thread fails again or ends; they are NULL when it
 * has not failed, or when there was no memory for them. Each is cut at 16,384 UTF-16 units. A bad out_error gives
 * S3DLIO_INVALID_ARGUMENT and is not remembered.
 */
int32_t s3dlio_last_error(s3dlio_error *out_error);

typedef struct s3dlio_notice {
    uint32_t struct_size;
    uint32_t reserved;
    const char *text; /* valid for the life of the process; NULL when there is none of that number */
} s3dlio_notice;

/*
 * What the user should know though no call failed, such as a server that labels its checksums wrongly. Each is said once in a process.
 * Numbers begin at 0; s3dlio_result.notices tells how many there are.
 */
int32_t s3dlio_notice_get(uint32_t number, s3dlio_notice *out_notice);

typedef struct s3dlio_event {
    uint32_t struct_size;
    int32_t level;   /* 10: for who looks into the library; 20: dealt with; 30: dealt with at a cost; 0: there is none */
    int64_t number;  /* of this event; where there is none, of the next one */
    char text[1008]; /* what happened, to what; without secrets. Ends with a NUL; a longer one is cut */
} s3dlio_event;

/*
 * What happened behind calls that did not fail for it: retries, fallbacks, renewed credentials. Gives the first event of that number or a
 * later one; the 512 newest are kept. Numbers begin at 0; s3dlio_result.events tells how many there were.
 */
int32_t s3dlio_event_get(int64_t number, s3dlio_event *out_event);

/*
 * What all stores of this process have been asked for. Gives JSON: a list of objects with uri (a bucket or container, a memory store,
 * "file:///" or "direct:///"), requests (sent, of files and memory calls), retries, bytes_read, bytes_written and cache_hits.
 */
int32_t s3dlio_stats_begin(uint64_t *out_op);

/* ---- stores ------------------------------------------------------------------------------------------------- */

/*
 * Opens the store whose keys lie below an address: file:///directory, direct:///directory (past the page cache),
 * memory://name/prefix (in this process), or a plain path. Nothing needs to exist yet, and nothing is created.
 *
 * Options: durable (bool, false): what writes do that do not say; true has data and name on the device before they
 * end. direct_fallback (bool, false): where the file system refuses O_DIRECT, go through the page cache. Those of S3
 * and Azure (s3://bucket/prefix, az://account/container/prefix) are in docs/configuration.md.
 *
 * Several endpoints as one store: endpoints (list of up to 32: a URL of the same store, the address of another store, or
 * an object of options that differ, "uri" among them), strategy ("round_robin" or "least_connections"), replicas (bool,
 * false: each has objects of its own, and a key is read where it was written; true: all show the same objects),
 * endpoint_cooldown (seconds, 10: how long one that failed is passed over). All have the same scheme. Such a store takes
 * keys below its endpoints; a key that begins as a whole address does (scheme://) is refused.
 */
int32_t s3dlio_store_open(const char *uri, const char *options_json, uint64_t *out_store);

/*
 * A cache in front of the store, a directory of this machine that all processes of a user share: cache (text: its absolute path),
 * cache_size (bytes, or text such as "200GiB"; without one what cache_min_free leaves), cache_mode ("read": what is read is kept;
 * "through": what is written, too; "back": a write ends when it is durable in a journal of the directory, and is sent to the store behind
 * it; "offline": the same, and the store is not asked), cache_journal_size (bytes of writes that may wait), cache_validate ("always": an object is asked for at each open; "ttl": when the last answer is older than
 * cache_ttl seconds, 60; "never": objects do not change), cache_min_free (bytes that stay free on its file system; a twentieth of it),
 * cache_block_size (65536 to 4194304, 1048576: what is fetched at least), cache_eviction ("s3-fifo"; "none": what is in stays). Every function takes such a store as
 * any other. docs/cache.md has what it promises. Stores without a cache refuse the following functions: S3DLIO_INVALID_ARGUMENT.
 */

/*
 * What the cache did in this process, and what lies in it. Result: {"directory":"…","bytes":0,"limit":0,"hits":0,"hit_bytes":0,"misses":0,
 * "miss_bytes":0,"waits":0,"validations":0,"fills":0,"fills_failed":0,"damaged":0,"evicted":0,"evicted_bytes":0,"rests":0,"pending":0,
 * "pending_bytes":0,"pending_milliseconds":0,"parked":0,"accepted":0,"accepted_bytes":0,"sent":0,"sent_bytes":0,"superseded":0,"send_failures":0,
 * "bypassed":0,"adopted":0,"journal_failures":0}; limit where cache_size was given. pending and parked are of all processes.
 */
int32_t s3dlio_cache_stats_begin(uint64_t store, uint64_t *out_op);

/*
 * Waits until the caches have what this process read lately, for `timeout_ms` milliseconds at most: a thread writes it behind the reads, up to
 * 64 MiB. For the end of a program; what is not written then is fetched by the next. Always S3DLIO_OK.
 */
int32_t s3dlio_cache_settle(int32_t timeout_ms);

/* Removes what is kept of the objects whose keys begin with `prefix`. Result: {"entries":0,"bytes":0}. */
int32_t s3dlio_cache_evict_begin(uint64_t store, const char *prefix, size_t prefix_length, uint64_t *out_op);

/*
 * Reads objects so that the cache has them. Option: keys (list of text): keys, and prefixes that end with a slash; the progress is in objects.
 * Result: {"objects":0,"bytes":0}.
 */
int32_t s3dlio_cache_warm_begin(uint64_t store, const char *options_json, uint64_t *out_op);

/*
 * Waits until the writes that were acknowledged before, by any process, of keys that begin with `prefix` are at the store. Option: timeout
 * (seconds). Ends well when the time is over or only parked writes are left: the result tells what is left,
 * {"writes":0,"bytes":0,"parked":0,"seconds":0.0,"first":[{"uri":"…","kind":"put","size":0,"time_ns":0,"parked":false,"attempts":0,
 * "status":4,"error":"…"}]}: how many, the age of the oldest, and up to 1000 of them, status and error where there was one, parked ones
 * first. Parked: the store refused it for a reason that waiting does not mend. The progress is in writes.
 */
int32_t s3dlio_cache_flush_begin(uint64_t store, const char *prefix, size_t prefix_length, const char *options_json, uint64_t *out_op);

/* What waits now. Result: as that of s3dlio_cache_flush_begin. */
int32_t s3dlio_cache_pending_begin(uint64_t store, const char *prefix, size_t prefix_length, uint64_t *out_op);

/*
 * Tries parked writes again. Option: discard (bool, false): gives them up instead, and what they were to write is lost. Those of journals
 * that another live process has stay as they are. Result: {"writes":0,"bytes":0}, how many.
 */
int32_t s3dlio_cache_unpark_begin(uint64_t store, const char *prefix, size_t prefix_length, const char *options_json, uint64_t *out_op);

/* Operations, lists and files of the store go on undisturbed. */
int32_t s3dlio_store_close(uint64_t store);

/*
 * What the endpoints of a store of several were asked for so far. Result: [{"uri":"…","name":"http://…","requests":7,
 * "failures":0,"in_flight":1,"errors":0,"bytes_read":12,"bytes_written":0,"avoided":false}], in the order of the option;
 * empty for other stores.
 */
int32_t s3dlio_store_endpoints_begin(uint64_t store, uint64_t *out_op);

/* ---- operations --------------------------------------------------------------------------------------------- */
/*
 * s3dlio_*_begin checks its arguments, starts the work and returns an operation's id. The caller waits, reads the
 * result, and frees the operation in every case, also when it failed. What takes microseconds, a few hundred KiB of a
 * file or of memory://, is done before begin returns, by the calling thread: waking another would take longer. Many
 * such objects side by side are a matter for the calls over many.
 */

/*
 * Waits at most timeout_ms milliseconds; 0 looks, a negative value waits without end. S3DLIO_PENDING: not ended yet.
 * Any other status is the operation's own, the same for every call.
 */
int32_t s3dlio_op_wait(uint64_t op, int32_t timeout_ms);

/* Bytes done so far, and in all or -1 while that is unknown. A recursive delete counts objects. */
int32_t s3dlio_op_progress(uint64_t op, int64_t *out_done, int64_t *out_total);

/* Asks the operation to stop, and returns at once. It may still succeed; wait for it to know. */
int32_t s3dlio_op_cancel(uint64_t op);

typedef struct s3dlio_result {
    uint32_t struct_size;
    uint32_t notices;     /* how many there are in this process so far: s3dlio_notice_get */
    const char *json;     /* NUL-terminated; NULL when the operation gives none */
    uint64_t json_length; /* without the NUL */
    void *data;           /* the bytes read; NULL when the operation gives none */
    uint64_t data_length;
    uint64_t events;      /* how many there were in this process so far: s3dlio_event_get */
} s3dlio_result;

/*
 * The result of an operation that has ended: S3DLIO_PENDING before that, its failure when it failed. The pointers
 * are valid until the operation is freed.
 */
int32_t s3dlio_op_result(uint64_t op, s3dlio_result *out_result);

/*
 * The same without taking over the file or the writer that the operation opened: it is closed with the operation until s3dlio_op_result has been
 * called. For callers that may be interrupted before they have noted its number.
 */
int32_t s3dlio_op_peek(uint64_t op, s3dlio_result *out_result);

/*
 * Frees the operation and its result. One that still runs is cancelled and waited for, so its memory is the
 * caller's again when this returns, whichever of several threads called it.
 */
int32_t s3dlio_op_free(uint64_t op);

/*
 * The same for callers that cannot wait for ever, as where a file system hangs and the kernel holds a call: cancels the operation and waits at
 * most timeout_ms milliseconds, without end when negative. S3DLIO_OK: it has ended and is freed. S3DLIO_PENDING: it still runs; the library
 * frees it, and closes what it opened, when it has ended. Until then its memory stays the operation's: call this again, with 0, to learn when.
 */
int32_t s3dlio_op_abandon(uint64_t op, int32_t timeout_ms);

/*
 * Closes a file, a writer or a list on a thread of the library and returns at once: for those whose operation was abandoned, since their close
 * waits for it. A failure is not told. Closing what is closed, and 0, is no error.
 */
int32_t s3dlio_close_behind(uint64_t handle);

/*
 * For event loops: a queue to which operations report that they ended, with an eventfd of the caller's that becomes readable then.
 * The descriptor stays the caller's, to be closed after the queue. What waits in this way needs no thread.
 */
int32_t s3dlio_queue_open(int32_t event_fd, uint64_t *out_queue);

/* Has the operation report to the queue when it ends; at once, when it has. Once for each operation. */
int32_t s3dlio_op_notify(uint64_t op, uint64_t queue);

/*
 * Takes up to `count` ids of operations that ended, in that order; *out_count is 0 when there are none. Read the eventfd before,
 * and take until fewer come than fit: what ends meanwhile makes it readable again.
 */
int32_t s3dlio_queue_take(uint64_t queue, size_t count, uint64_t *out_ops, uint64_t *out_count);

/* Nothing is written to the descriptor any more when this returns. Operations go on undisturbed. */
int32_t s3dlio_queue_close(uint64_t queue);

/* ---- objects ------------------------------------------------------------------------------------------------ */
/*
 * Where an object is a result, its JSON is
 *   {"key":"a/b","size":3,"last_modified_ns":1700000000000000000,"etag":"…","checksum":"crc32c:e3069283",
 *    "content_type":"…","metadata":{"name":"value"}}
 * with the members from etag on where the store has them, and further ones of the store's own, all strings.
 *
 * Options of every write ("put options"):
 *   overwrite (bool, true)   false: create the object, or S3DLIO_ALREADY_EXISTS
 *   if_match (string)        replace only the object with this ETag, or S3DLIO_PRECONDITION
 *   durable (bool)           data and name on the device before the operation ends; default: as the store was opened
 *   background (bool, false) beside a program that computes: slower, and leaves it its cores
 *   barrier (bool, false)    over a cache in the mode "back": sent after all that was written before, as a manifest must be
 *   content_type (string)
 *   metadata (object of strings)
 *   attributes (object of strings): what else the store keeps with an object. Every store: cache_control,
 *     content_disposition, content_encoding, content_language, expires. S3 also: storage_class, acl,
 *     server_side_encryption, ssekms_key_id, ssekms_encryption_context, bucket_key_enabled, object_lock_mode,
 *     object_lock_retain_until, website_redirect_location. Azure, which has no expires, also: access_tier,
 *     encryption_scope. Any other name is S3DLIO_INVALID_ARGUMENT.
 *   tags (object of strings): S3 and Azure
 * A write is atomic: readers see the old object or the new one, whole.
 *
 * Options of every read ("read options"):
 *   validate (bool, true)    compare a whole object with the CRC32C recorded when it was written, where there is one
 *   expected_checksum        compare what is read with this one instead, "crc32c:e3069283"
 *   require_validation (bool, false)  every byte that is given was compared, with expected_checksum or with what is recorded;
 *                            a range by its blocks, parts or frames, or else by the whole object, which is then read; where
 *                            nothing is recorded S3DLIO_INVALID_DATA with S3DLIO_REASON_NO_CHECKSUM
 * and of s3dlio_object_get_begin, s3dlio_object_get_range_begin and s3dlio_object_open_begin also
 *   decompress ("never")     "auto": decompress objects whose key ends in ".zst", and where there is none of the key
 *                            take the one with ".zst" behind it; "always": whatever the key. Offsets, lengths and
 *                            checksums are then those of the decompressed bytes; every frame that is touched is checked.
 *                            An object without a seek table, of another program, is decompressed twice by gets, to know
 *                            its size, which is refused beyond 256 MiB and 1,024 times what is stored
 */

typedef struct s3dlio_segment {
    uint32_t struct_size;
    uint32_t reserved;
    const void *data;
    uint64_t length;
} s3dlio_segment;

/* Writes an object from up to 1,000,000 segments, one after the other. Result: the object. Put options. */
int32_t s3dlio_object_put_begin(uint64_t store, const char *key, size_t key_length, const s3dlio_segment *segments,
                                size_t count, const char *options_json, uint64_t *out_op);

/* Reads a whole object into memory of the operation. Result: the object, and data. Read options. */
int32_t s3dlio_object_get_begin(uint64_t store, const char *key, size_t key_length, const char *options_json,
                                uint64_t *out_op);

/*
 * Reads length bytes from offset into `data`; with `data` NULL into memory of the operation, and then a negative
 * length means to the end. A range beyond the object is S3DLIO_INVALID_ARGUMENT: reads are never short. Result: the
 * object, and data when the operation allocated it. Read options. Where the store knows the checksums of the object's
 * blocks, those that the range holds whole are compared with theirs; with validate given as true the rest of the two
 * that it begins and ends in is read as well, so that all of it is compared; with false nothing is.
 */
int32_t s3dlio_object_get_range_begin(uint64_t store, const char *key, size_t key_length, int64_t offset,
                                      int64_t length, void *data, const char *options_json, uint64_t *out_op);

/* Result: the object. */
int32_t s3dlio_object_head_begin(uint64_t store, const char *key, size_t key_length, uint64_t *out_op);

/* Result: true or false; true also for a directory, and for a path with objects below it. */
int32_t s3dlio_object_exists_begin(uint64_t store, const char *key, size_t key_length, uint64_t *out_op);

/*
 * Deletes one object, or S3DLIO_NOT_FOUND; of a key that ends with '/' the objects right below it, and nothing there is no
 * failure. Option: recursive (bool, false): the object of that key and all below `key/`; nothing there is no failure. Result:
 * the number of objects deleted.
 */
int32_t s3dlio_object_delete_begin(uint64_t store, const char *key, size_t key_length, const char *options_json,
                                   uint64_t *out_op);

/*
 * Copies an object within a store or between two, content type, metadata and the attributes that every store has with it
 * unless given, and within a store the tags; between two it is
 * checked on the way. Result: the new object. Put options.
 */
int32_t s3dlio_object_copy_begin(uint64_t source_store, const char *source_key, size_t source_key_length,
                                 uint64_t store, const char *key, size_t key_length, const char *options_json,
                                 uint64_t *out_op);

/* The same, and the source is deleted at the end; a crash leaves both rather than none. */
int32_t s3dlio_object_rename_begin(uint64_t source_store, const char *source_key, size_t source_key_length,
                                   uint64_t store, const char *key, size_t key_length, const char *options_json,
                                   uint64_t *out_op);

/* Makes a directory and its parents, where the store has such a thing. No result. */
int32_t s3dlio_directory_create_begin(uint64_t store, const char *key, size_t key_length, uint64_t *out_op);

/* ---- many objects -------------------------------------------------------------------------------------------- */
/*
 * One call for up to 1,000,000 objects of any stores. An operation over many ends with S3DLIO_OK even when objects
 * failed: its result names the failures by index, in order, and the rest is done. Its progress counts objects.
 *
 * Result: {"errors":[{"index":3,"kind":1,"reason":6,"message":"…","uri":"…","detail":"…","offset":0}],"objects":[…]}; "objects" has
 * for each object what a head gives, or null, and is left out by s3dlio_objects_get_begin.
 *
 * Options: max_in_flight (1 to 4096, 64): how many at once.
 */

typedef struct s3dlio_object {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t store;
    const char *key;
    size_t key_length;
} s3dlio_object;

/* Whole objects; s3dlio_op_take_items hands out their bytes. Options: validate and decompress, as for objects. */
int32_t s3dlio_objects_get_begin(const s3dlio_object *objects, size_t count, const char *options_json, uint64_t *out_op);

typedef struct s3dlio_item {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t buffer; /* for s3dlio_buffer_free; 0 where the object could not be read */
    void *data;
    uint64_t length;
} s3dlio_item;

/*
 * Hands out the first `count` items of a get that has ended, in the order of its objects. Each buffer belongs to the
 * caller from here on, and outlives the operation; a second call gives none of them again.
 */
int32_t s3dlio_op_take_items(uint64_t op, size_t count, s3dlio_item *out_items);

/*
 * New memory to read into, with any content. From 2 MiB on it lies in huge pages, and in those of a buffer or result freed lately
 * where one fits: clearing new pages takes as long as filling them. What was freed is the system's to take at once, and goes
 * back to it after some seconds without use; at most 1 GiB, or a sixteenth of the memory that there is, waits so.
 */
int32_t s3dlio_buffer_new(uint64_t length, uint64_t *out_buffer, void **out_data);

/* Frees a buffer of s3dlio_op_take_items or s3dlio_buffer_new. */
int32_t s3dlio_buffer_free(uint64_t buffer);

/* Writes one object from each segment. Put options, but for if_match. */
int32_t s3dlio_objects_put_begin(const s3dlio_object *objects, const s3dlio_segment *segments, size_t count,
                                 const char *options_json, uint64_t *out_op);

/* What the stores know of each object. */
int32_t s3dlio_objects_head_begin(const s3dlio_object *objects, size_t count, const char *options_json, uint64_t *out_op);

/* Copies sources[i] to objects[i], between any stores. Options as for s3dlio_objects_put_begin. */
int32_t s3dlio_objects_copy_begin(const s3dlio_object *sources, const s3dlio_object *objects, size_t count,
                                  const char *options_json, uint64_t *out_op);

typedef struct s3dlio_object_read {
    uint32_t struct_size;
    uint32_t reserved;
    void *data;      /* where the bytes go */
    uint64_t length; /* how many; 0 reads nothing */
    uint64_t offset; /* where they begin in the object */
    uint64_t object; /* index in `objects` */
    uint32_t crc32c; /* what they must have, if check is not 0 */
    uint32_t check;
} s3dlio_object_read;

/*
 * Reads ranges of many objects, each to its place; ranges that lie near each other come in one request. All of it,
 * or the first failure: S3DLIO_CHECKSUM_MISMATCH has the offset of the range, S3DLIO_INVALID_DATA one that reaches beyond its
 * object. No result. Options: max_in_flight (objects open at once, 8); decompress ("never", "auto", "always"), as for
 * s3dlio_object_open_begin: offsets are then of the decompressed bytes.
 */
int32_t s3dlio_objects_scatter_begin(const s3dlio_object *objects, size_t object_count,
                                     const s3dlio_object_read *ranges, size_t count, const char *options_json, uint64_t *out_op);

/* ---- data sets -------------------------------------------------------------------------------------------------- */

/*
 * The samples at the positions first .. first + count - 1 of an epoch: a pure function of (seed, epoch, position), in no memory. Over all positions
 * 0 .. samples - 1 it gives each sample once. block 0: every sample may come anywhere. Otherwise blocks of so many neighbouring samples are permuted,
 * then the samples within each window of so many blocks (at least 1), so that what is read together lies together. docs/datasets.md has the function
 * to the bit: it does not change within an ABI version.
 */
int32_t s3dlio_order_fill(int64_t samples, uint64_t seed, int64_t epoch, int64_t block, int64_t window, int64_t first, size_t count, int64_t *out_indices);

/*
 * Reads a batch of samples, each to its place; those of one object come in few requests. It ends well though samples failed, and names them as
 * s3dlio_objects_get_begin does: {"errors":[{"index":3,"kind":1,"message":"…",…}]}. The memory of a sample that failed is undefined.
 * Options: whole (bool, false: each sample is a whole object from offset 0, which must have that length, and is compared with the checksum recorded
 * with it), validate (bool, true: false leaves that out), max_in_flight (objects open at once, 64), hedge_after (seconds: an object that
 * takes longer is asked for a second time, and the first answer counts; at most a tenth of the objects. The result has then "hedged", how many were).
 */
int32_t s3dlio_samples_read_begin(const s3dlio_object *objects, size_t object_count, const s3dlio_object_read *ranges, size_t count,
                                  const char *options_json, uint64_t *out_op);

/*
 * Lists the objects at and below a path and writes a manifest of them (docs/formats.md); keys that end with "/" mark folders and are left out.
 * Result: {"samples":N}. Nothing there: S3DLIO_NOT_FOUND. Options: recursive (bool, true), pattern (a regular expression for the part of a key below the
 * path), checksums ("none"; "recorded": the CRC32C that is recorded with each object; "read": every object is read), max_in_flight (objects asked for or
 * read at once, 64), uris (bool, false: files are named by paths).
 */
int32_t s3dlio_manifest_write_begin(uint64_t source_store, const char *path, size_t path_length, uint64_t store, const char *key, size_t key_length,
                                    const char *options_json, uint64_t *out_op);

/* ---- buckets and containers ----------------------------------------------------------------------------------- */
/*
 * The address names a bucket (s3://bucket) or a container (az://account/container); options_json is the store's, as
 * for s3dlio_store_open. Other stores have none: S3DLIO_INVALID_ARGUMENT.
 */

/* Makes it; one that is already the caller's is no failure. No result. */
int32_t s3dlio_container_create_begin(const char *uri, const char *options_json, uint64_t *out_op);

/* Removes an empty one; S3DLIO_PRECONDITION when something is in it. No result. */
int32_t s3dlio_container_delete_begin(const char *uri, const char *options_json, uint64_t *out_op);

/* Those that the credentials may list. Result: [{"name":"…","created_ns":0}]; created_ns where the service says. */
int32_t s3dlio_container_list_begin(const char *uri, const char *options_json, uint64_t *out_op);

/*
 * Multipart uploads of the object of that key and of all below `path/` that were begun and neither completed nor aborted: those under
 * way, and what processes that died left behind. Stores without such a thing have none. Result: [{"key":"…","upload_id":"…",
 * "begun_ns":0}]; begun_ns where the service says.
 *
 * Option: older_than (seconds, 0): only those begun at least so long ago.
 */
int32_t s3dlio_uploads_list_begin(uint64_t store, const char *path, size_t path_length, const char *options_json,
                                  uint64_t *out_op);

/* Aborts the same uploads. One that is still being written fails for its writer, so give older_than. Result: those aborted. */
int32_t s3dlio_uploads_abort_begin(uint64_t store, const char *path, size_t path_length, const char *options_json,
                                   uint64_t *out_op);

/*
 * A presigned URL: it reads or writes the object for a limited time without credentials. Keep it
 * as you keep a password. Result: the address as a JSON string.
 *
 * Options: method ("GET", "PUT", "HEAD" or "DELETE"; "GET"), expires_in (seconds, 1 to 604,800; 3,600).
 */
int32_t s3dlio_object_presign_begin(uint64_t store, const char *key, size_t key_length, const char *options_json,
                                    uint64_t *out_op);

/* ---- objects as streams --------------------------------------------------------------------------------------- */

/*
 * Begins an object of unknown length: it appears when it is finalized, whole, or never. Result: {"writer":9,"key":
 * "a.zst"}. The writer is the caller's to close once s3dlio_op_result returned it; freed before that, the operation
 * closes it. Put options, and
 *   compression ("none")     "zstd": frames of 4 MiB with a seek table, in parallel on all cores (docs/formats.md);
 *                            ".zst" is appended to the key unless it ends so; then ALREADY_EXISTS where the key without it
 *                            exists, when the write begins or when the object is complete: reads of that key would find that one
 *   level (1 to 22, 3)       how hard to compress
 */
int32_t s3dlio_writer_open_begin(uint64_t store, const char *key, size_t key_length, const char *options_json,
                                 uint64_t *out_op);

/*
 * Takes the next bytes. Operations on one writer take turns; begin the next when the one before has ended, so that
 * their order is certain. After one that failed or was cancelled the writer can only be closed. No result.
 */
int32_t s3dlio_writer_write_begin(uint64_t writer, const void *data, uint64_t length, uint64_t *out_op);

/*
 * Makes the object appear. Result: {"raw_size":100,"raw_checksum":"crc32c:…","compression":"zstd","level":3,"object":
 * {the object as stored}}; raw is what was written, before compression.
 */
int32_t s3dlio_writer_finalize_begin(uint64_t writer, uint64_t *out_op);

/* Bytes written so far, and bytes that went to the store; the last of them go when it is finalized. */
int32_t s3dlio_writer_counts(uint64_t writer, int64_t *out_raw, int64_t *out_stored);

/* Closes a writer. What runs on it is cancelled and waited for; unless it was finalized, nothing is left behind. */
int32_t s3dlio_writer_close(uint64_t writer);

/*
 * Opens an object for reads at any place. Result: {"file":7,"size":100,"checksum":"crc32c:…","compression":"none",
 * "meta":{the object as stored}}, where size and checksum are those of the bytes that reads give; size is -1 for a
 * compressed object without a seek table. The file belongs to the caller as with s3dlio_array_open_begin. Option:
 * decompress, as for reads.
 */
int32_t s3dlio_object_open_begin(uint64_t store, const char *key, size_t key_length, const char *options_json,
                                 uint64_t *out_op);

/*
 * Reads exactly length bytes from offset; all of the object is compared with its checksum. No result. Where size is -1
 * reads take turns, go forward or begin anew, and are short at the object's end; their result is {"read":100,"size":-1}, with
 * the size once the end was reached. One of no bytes at INT64_MAX finds the size.
 */
int32_t s3dlio_object_read_begin(uint64_t file, int64_t offset, void *data, uint64_t length, uint64_t *out_op);

/* ---- objects, for callers that would only wait ---------------------------------------------------------------- */

/* Put options. */
int32_t s3dlio_object_put(uint64_t store, const char *key, size_t key_length, const void *data, uint64_t length,
                          const char *options_json);

/*
 * Reads a whole object, checked, into a buffer. *out_length is its size; also when the buffer is too small for it,
 * which is S3DLIO_INVALID_ARGUMENT and leaves the buffer untouched. After other failures it is 0 or the size.
 */
int32_t s3dlio_object_get(uint64_t store, const char *key, size_t key_length, void *data, uint64_t capacity,
                          uint64_t *out_length);

/* Reads exactly length bytes from offset into data. */
int32_t s3dlio_object_get_range(uint64_t store, const char *key, size_t key_length, uint64_t offset, uint64_t length,
                                void *data);

typedef struct s3dlio_meta {
    uint32_t struct_size;
    uint32_t has_checksum;
    uint64_t size;
    int64_t last_modified;  /* nanoseconds since 1970 UTC */
    uint32_t crc32c;        /* 0 unless has_checksum */
    uint32_t reserved;
    char etag[128];         /* "" when there is none, or when it does not fit; the JSON of head has it whole */
    char content_type[128]; /* likewise */
} s3dlio_meta;

int32_t s3dlio_object_head(uint64_t store, const char *key, size_t key_length, s3dlio_meta *out_meta);

/* *out_exists is 1 or 0. */
int32_t s3dlio_object_exists(uint64_t store, const char *key, size_t key_length, int32_t *out_exists);

/* As the operation without options. */
int32_t s3dlio_object_delete(uint64_t store, const char *key, size_t key_length);

/* ---- listings ----------------------------------------------------------------------------------------------- */

/*
 * Lists the object of that key and all below `path/`; the empty path is the whole store. Objects come in the order of
 * their keys' bytes, within a page before the prefixes. Use either s3dlio_list_next or s3dlio_list_page_begin
 * on one list. Once a page failed or was cancelled, the list gives that failure for ever: half a listing never
 * passes as a whole one.
 *
 * Options: recursive (bool, true): false folds what lies below a further '/' into one prefix that ends in '/'.
 * start_after (string): only keys after this one. page_size (1 to 10000, 1000). pattern (string of at most 4096
 * characters): only objects whose key contains a match of this regular expression, which is without back references
 * and look-around.
 */
int32_t s3dlio_list_open(uint64_t store, const char *path, size_t path_length, const char *options_json,
                         uint64_t *out_list);

/* Result: {"objects":[…],"prefixes":["a/b/"]}, or null at the end. Pages can be empty before the end. */
int32_t s3dlio_list_page_begin(uint64_t list, uint64_t *out_op);

typedef struct s3dlio_entry {
    uint32_t struct_size;
    uint32_t is_prefix;    /* 1: folded, size and time are 0 */
    const char *key;       /* NUL-terminated; valid until the list gives the next entry or is closed */
    size_t key_length;
    uint64_t size;
    int64_t last_modified; /* nanoseconds since 1970 UTC */
} s3dlio_entry;

/* The next entry, or S3DLIO_END. */
int32_t s3dlio_list_next(uint64_t list, s3dlio_entry *out_entry);

/* A page under way is cancelled and waited for. */
int32_t s3dlio_list_close(uint64_t list);

/* ---- arrays: .npy ------------------------------------------------------------------------------------------- */

/*
 * Writes an array as .npy: the header from a description, then `length` bytes of data as they lie in memory. The
 * description is
 *   {"descr":"'<f4'","fortran_order":false,"shape":[2,3],"extension_type":"bfloat16"}
 * where descr is the Python literal of NumPy's dtype and extension_type names a type that NumPy's format cannot.
 * Whether length fits descr and shape is the caller's concern. Put options, and compression and level as for
 * s3dlio_writer_open_begin; a key that ends in ".zst" is compressed also where no compression is given. A plain array with overwrite false
 * is ALREADY_EXISTS also where the key with ".zst" exists. Result: the object as stored, and "raw_size" and "raw_checksum", those of the
 * bytes before compression.
 */
int32_t s3dlio_array_save_begin(uint64_t store, const char *key, size_t key_length, const char *header_json,
                                const void *data, uint64_t length, const char *options_json, uint64_t *out_op);

/*
 * Opens an array, or where there is none of the key the compressed one with ".zst" behind it: reads and checks its header. Result: {"file":7,"descr":"'<f4'","fortran_order":false,
 * "shape":[2,3],"data_offset":128,"data_length":24,"extension_type":"…","meta":{the object}}. The file is the
 * caller's to close once s3dlio_op_result returned it; freed before that, the operation closes it.
 */
int32_t s3dlio_array_open_begin(uint64_t store, const char *key, size_t key_length, uint64_t *out_op);

/* Reads the first `length` bytes of the array's data, normally all, and checks the object. No result. Read options. */
int32_t s3dlio_array_read_begin(uint64_t file, void *data, uint64_t length, const char *options_json,
                                uint64_t *out_op);

/* ---- tensors: safetensors ----------------------------------------------------------------------------------- */

/*
 * Writes tensors as safetensors; segment i holds the data of tensor i of the description
 *   {"tensors":[{"name":"w","dtype":"F32","shape":[2,3]}],"metadata":{"name":"value"},"checksums":true,"blocks":false}
 * whose checksums (default true) records each tensor's CRC32C. Options and result as for s3dlio_array_save_begin.
 * With blocks the result is {"raw_size":…,"raw_checksum":…,"compression":"none","object":{the object},"tensors":[{"offset":256,"nbytes":24,"checksum":"crc32c:…",
 * "block_length":65536,"blocks":"…"}]}, in the order of the description: where each tensor's bytes begin in the object, and
 * the CRC32C of each of its blocks, base64 of four bytes each, big-endian; none for a tensor of a single block. With them
 * s3dlio_objects_scatter_begin reads parts of tensors and checks them. With blocks there may be a "level" (1 to 22) in the
 * description, too: the object is then compressed with zstd, .zst appended to its key without a look at the plain key, and offsets are
 * of the decompressed bytes. With blocks and "shard", an object as s3dlio_checkpoint_shard_put_begin takes it, the object is that shard of
 * a checkpoint: the key given is empty, the library chooses one that no other has, level, durable and background are the shard's, and the
 * result has the description for s3dlio_checkpoint_commit_begin as "shard".
 */
int32_t s3dlio_tensors_save_begin(uint64_t store, const char *key, size_t key_length, const char *description_json,
                                  const s3dlio_segment *segments, size_t count, const char *options_json,
                                  uint64_t *out_op);

/*
 * Opens a safetensors object, found as an array is: reads and checks its header. Result: {"file":8,"data_offset":256,"tensors":[{"name":
 * "w","dtype":"F32","shape":[2,3],"nbytes":24,"checksum":"crc32c:…"}],"metadata":{},"meta":{the object}}. The file
 * belongs to the caller as with s3dlio_array_open_begin.
 */
int32_t s3dlio_tensors_open_begin(uint64_t store, const char *key, size_t key_length, uint64_t *out_op);

typedef struct s3dlio_tensor_read {
    uint32_t struct_size;
    uint32_t reserved;
    void *data;
    uint64_t length; /* the tensor's nbytes */
    uint64_t tensor; /* index in "tensors" of the open file */
} s3dlio_tensor_read;

/*
 * Reads whole tensors, each checked. No result. Options: validate and require_validation, as for objects: a file without checksums of its
 * own is compared as a whole, with what the store recorded, when all of it is read or require_validation asks for it. With "held":true
 * the memory holds the tensors' bytes already, as a mapping of the file does: it is compared and not written.
 */
int32_t s3dlio_tensors_read_begin(uint64_t file, const s3dlio_tensor_read *reads, size_t count,
                                  const char *options_json, uint64_t *out_op);

/*
 * Reads a part of one tensor into C order. starts[i], stops[i] and steps[i] are what Python's slice.indices(n) gives
 * for dimension i of n: a step may be negative, and a stop then -1; a single index k is k, k + 1, 1. Only the bytes
 * needed are fetched; they cannot be checked, since a checksum covers a whole tensor. length is exactly what the
 * slice needs. No result.
 */
int32_t s3dlio_tensors_slice_begin(uint64_t file, uint64_t tensor, const int64_t *starts, const int64_t *stops,
                                   const int64_t *steps, size_t rank, void *data, uint64_t length, uint64_t *out_op);

/* Closes an array, tensor or object file. Reads under way on it finish or end with S3DLIO_CLOSED. */
int32_t s3dlio_file_close(uint64_t file);

/* ---- checkpoints -------------------------------------------------------------------------------------------- */
/*
 * A checkpoint is one shard for each of a world's ranks and a manifest, which is written last: it exists when its
 * manifest does (docs/formats.md, docs/reliability.md). The store of these calls is one that was opened at the
 * checkpoint store's address, the directory or prefix that holds manifests/ and shards/.
 *
 * A shard's description, which a writer returns, the commit takes and a manifest holds: {"step":1,"timestamp":"…",
 * "save_id":"…","claim":"…","rank":0,"key":"shards/…","size":9,"etag":"…","checksum":"crc32c:…","raw_size":9,
 * "stored_checksum":"crc32c:…","compression":"none","extra":…}; in manifests without the first four. size and
 * stored_checksum are of the object, raw_size and checksum of what was saved. "legacy":true stands in those of the
 * original library, whose checksums are IEEE CRC-32s. extra is any JSON of the caller's.
 *
 * A failure that concerns one manifest or shard has the members of those in the results of calls over many objects.
 */

/*
 * Has the ranks that save a step agree on the save's id: all that come before the checkpoint is committed get the same.
 * Result: {"save_id":"…","claim":"saves/…"}.
 *
 * Options: save_id, an id that all were given: it is only looked whether it is free, else S3DLIO_ALREADY_EXISTS. run_id,
 * the job, where several may save the same step.
 */
int32_t s3dlio_checkpoint_agree_begin(uint64_t store, int64_t step, const char *options_json, uint64_t *out_op);

/*
 * Writes one rank's shard: {"step":1,"rank":0,"save_id":"…","claim":"…","run_id":"…","placement":"flat" | "round_robin" |
 * "binary","compression":"none" | "zstd","level":3,"durable":true,"background":false,"extra":…}. Without save_id it agrees
 * on one first. background: true takes no second core for local files, where a program computes meanwhile.
 * Nothing is ever replaced: where a shard of that name is, the new one has another. Result: its description.
 */
int32_t s3dlio_checkpoint_shard_put_begin(uint64_t store, const char *shard_json, const s3dlio_segment *segments,
                                          size_t count, uint64_t *out_op);

/*
 * The same as a stream. Result: {"writer":9,"key":"shards/…"}, a writer as of s3dlio_writer_open_begin; the result of
 * s3dlio_writer_finalize_begin then has the description as "shard".
 */
int32_t s3dlio_checkpoint_shard_open_begin(uint64_t store, const char *shard_json, uint64_t *out_op);

/*
 * Makes the checkpoint: {"step":1,"epoch":0,"framework":"torch","world_size":2,"shards":[…],"save_id":"…","user_meta":…,
 * "extra":…,"wall_time":"2026-01-31T12:00:00Z","durable":true,"verify":true}, where shards are the descriptions of all
 * ranks and verify looks whether each is there, whole. Doing it again with the same shards succeeds. Result:
 * {"manifest_key":"manifests/…","total_size":9,"manifest":{…},"pointer_problem":"…"}, the last when latest.json could not
 * be brought up to date, by which nothing is lost.
 */
int32_t s3dlio_checkpoint_commit_begin(uint64_t store, const char *checkpoint_json, uint64_t *out_op);

/*
 * The newest complete checkpoint, or the newest of a step, or that of a manifest_key (options). Result: as of a commit,
 * without manifest_key where there is none, and {"skipped":[{"manifest_key":"…","kind":8,…}]}: damaged manifests that were
 * passed over. One that was asked for by its key fails instead.
 */
int32_t s3dlio_checkpoint_find_begin(uint64_t store, const char *options_json, uint64_t *out_op);

/*
 * All checkpoints, the newest first, incomplete ones too. Result: {"checkpoints":[{"manifest_key":"…","total_size":9,
 * "manifest":{…}}],"skipped":[…]}; these manifests are without shards and extra.
 */
int32_t s3dlio_checkpoint_list_begin(uint64_t store, uint64_t *out_op);

/*
 * Reads a shard that a manifest describes: the bytes that were saved, checked, into data, which has exactly the raw size;
 * or, with NULL and 0, into memory of the operation. Result: {"verified_by":"crc32c" | "ieee_crc32" | "nothing"}, and data.
 * Option: validate.
 */
int32_t s3dlio_checkpoint_read_begin(uint64_t store, const char *shard_json, void *data, uint64_t length,
                                     const char *options_json, uint64_t *out_op);

/*
 * Reads every byte of a checkpoint as it is stored: {"manifest_key":"…"}, the manifest among it, or {"shards":[…]}.
 * Result: {"whole":false,"bytes":9,"problems":[{"rank":0,"key":"…","kind":8,…}],"unchecked":[],"ieee_crc32":[]}: all that
 * is wrong, without rank where it is the manifest; ranks without a checksum; ranks that match by an IEEE CRC-32.
 */
int32_t s3dlio_checkpoint_validate_begin(uint64_t store, const char *checkpoint_json, uint64_t *out_op);

/* Deletes all checkpoints of a step, or that of a manifest_key (options). Result: the manifests' keys. */
int32_t s3dlio_checkpoint_delete_begin(uint64_t store, const char *options_json, uint64_t *out_op);

/*
 * Deletes all complete checkpoints but the keep_last newest (1 or more) and those whose step is a multiple of keep_every,
 * and what no manifest refers to and is older than grace (seconds, 86,400). Before anything is deleted a kept one is
 * validated (check: "full", or "quick" for sizes and recorded checksums); where none is whole the newest that is stays,
 * and where there is none, all. dry_run only tells. Result: {"deleted":[…],"kept":[…],"verified":"…","collected":[…],
 * "skipped":[…]}.
 */
int32_t s3dlio_checkpoint_prune_begin(uint64_t store, const char *options_json, uint64_t *out_op);

/* ---- logs ---------------------------------------------------------------------------------------------------- */

/*
 * A log is a directory of a local file system that holds records in the order in which they were appended. The first has the number 0, and no
 * number is given twice. One process writes, any number read. A record that a commit was reported for survives any crash; of those
 * appended later a crash may take the last ones, never one from the middle. docs/formats.md has the files.
 */

/*
 * Opens the log at an absolute path or file:///path. Options: mode, "r" (default) or "a", which makes it where there is none unless create is
 * false; record_size, bytes of every record, 0 (default) for any; schema, at most 2 KiB of JSON that tells what the records are, and
 * check_schema, true (default) to fail where these two are not the log's; segment_size, bytes of a file (64 MiB); buffer_size, bytes of records
 * that wait in memory (1 MiB); commit_align, where commits begin (8); on_damage, what is done about committed records that are
 * damaged: "raise" (default), "skip", "cut"; compression, a level of zstd, 0 (default) for none; commit_after_ms and commit_bytes, after which what was appended is committed without a call, 0
 * (default) for never; retain_bytes, retain_records, retain_seconds, beyond which whole segments are dropped from the beginning when one is full
 * or the log is opened, 0 (default) for never. S3DLIO_UNAVAILABLE when another writer has it. Result: {"log":9,"id":"…","schema":"…",
 * "record_size":0,"damage":["…"]}; the log is the operation's until s3dlio_op_result returned.
 */
int32_t s3dlio_log_open_begin(const char *uri, const char *options_json, uint64_t *out_op);

/*
 * Appends a record; it is durable when a later commit ended well. S3DLIO_OUT_OF_SPACE: it was not taken, and the call may be repeated. Any
 * other failure of the disk ends this writer: open the log again.
 */
int32_t s3dlio_log_append(uint64_t log, const void *data, uint64_t length, int64_t *out_number);

/*
 * Appends records that lie one behind the other, at most 64 MiB: after a crash all of them are there, or none. ends has for each record
 * where it ends in data; NULL and 0 where all have the log's record size.
 */
int32_t s3dlio_log_append_batch(uint64_t log, const void *data, uint64_t length, const int64_t *ends, size_t count,
                                int64_t *out_first);

/*
 * Makes durable what was appended before, in the calling thread, where that takes one flush of a device of this machine. out_committed:
 * how many records are durable; -1 where nothing was done, since the log lies on another file system or others commit: begin the operation.
 */
int32_t s3dlio_log_commit(uint64_t log, int64_t *out_committed);

/* The same as an operation. Commits that run at once share a flush. Result: {"committed":9}, how many records are durable. */
int32_t s3dlio_log_commit_begin(uint64_t log, uint64_t *out_op);

/* Ends when the record of that number is there and committed, or the log was closed. Result: {"committed":9}. */
int32_t s3dlio_log_wait_begin(uint64_t log, int64_t number, uint64_t *out_op);

/*
 * The log as it is now: the first record that is left, the number that the next record gets, how many are committed, and, for a reader, whether
 * the last writer known closed it or failed. A reader sees committed records only, a writer all.
 */
int32_t s3dlio_log_info(uint64_t log, int64_t *out_begin, int64_t *out_end, int64_t *out_committed, int32_t *out_ended);

/*
 * Reads records from number first on: at most so many, and none with which they would be more than most_bytes, but for the first. Each is
 * compared with its checksum. The operation's data begins with count int64_t numbers and count int64_t ends; the records' bytes go to data,
 * as many as fit, or, with NULL and 0, behind the ends. Option: skip_damaged, true to pass over frames that are damaged. Result:
 * {"count":2,"length":10,"next":7}.
 */
int32_t s3dlio_log_scan_begin(uint64_t log, int64_t first, int64_t most, int64_t most_bytes, void *data, uint64_t length,
                              const char *options_json, uint64_t *out_op);

/* The same for records of these numbers, in this order; data has exactly their length, or is NULL. */
int32_t s3dlio_log_read_begin(uint64_t log, const int64_t *numbers, size_t count, void *data, uint64_t length,
                              uint64_t *out_op);

/* Drops the records before a number, at most that of committed ones, and gives their room back. Result: {"begin":9}. */
int32_t s3dlio_log_truncate_begin(uint64_t log, int64_t number, uint64_t *out_op);

/* The bytes of the file system that a truncation before this number would give back. */
int32_t s3dlio_log_reclaimable(uint64_t log, int64_t number, int64_t *out_bytes);

/* Where a consumer of that name (1 to 64 of A-Z, a-z, 0-9, '.', '_', '-') is; the log's beginning when it never set its cursor. */
int32_t s3dlio_log_cursor_get(uint64_t log, const char *name, int64_t *out_number);

/* Notes, durably, the next record that the consumer needs. Readers may do so too. */
int32_t s3dlio_log_cursor_set_begin(uint64_t log, const char *name, int64_t number, uint64_t *out_op);

/*
 * The log whose sealed segments s3dlio_log_upload_begin left in a store under this key, to be read by ranges. Option: on_damage. Result as for
 * s3dlio_log_open_begin. s3dlio_log_wait_begin looks now and then for segments that were uploaded since; such a log has no cursors.
 */
int32_t s3dlio_log_open_store_begin(uint64_t store, const char *key, size_t key_length, const char *options_json,
                                    uint64_t *out_op);

/*
 * What the files of a log say, without its lock and without options, of one that is written too: {"path","id","version","least_version","state",
 * "writer","begin","end","records","epoch","segment_size","alignment","record_size","schema","segments":[{"name","first_record","end_record",
 * "frames","bytes","bytes_on_disk","sealed","created_ns","last_time_ns"}],"cursors":{},"records_checked","bytes_checked","whole","findings":[{"kind",
 * "path","offset","first_record","end_record","what","repair"}]}. A kind is "damage", "redundant" (nothing is lost) or "leftover" (of a crash).
 * Option: check, true to compare every record with its checksum. Damage is a finding, not a failure.
 */
int32_t s3dlio_log_inspect_begin(const char *uri, const char *options_json, uint64_t *out_op);

/*
 * Checks a log as s3dlio_log_inspect_begin does and tells what can be repaired; with the option dry_run false repairs it, under the writer's lock,
 * and tells what is left, with "repaired", the findings before. Damaged sealed segments are replaced by their copies under the key of store,
 * which is 0 for none. No record that can be read is given up.
 */
int32_t s3dlio_log_repair_begin(const char *uri, uint64_t store, const char *key, size_t key_length,
                                const char *options_json, uint64_t *out_op);

/* Copies the sealed segments that are not there yet below a key of a store. Result: {"uploaded":2,"bytes":9,"end":7}. */
int32_t s3dlio_log_upload_begin(const char *uri, uint64_t store, const char *key, size_t key_length, uint64_t *out_op);

/* Commits, and ends the newest segment, so that an upload takes it too. Result: {"committed":9}. */
int32_t s3dlio_log_seal_begin(uint64_t log, uint64_t *out_op);

/*
 * What was done since the log was opened: {"begin","end","committed"} and, of a writer, "segments", "bytes_on_disk", "buffered_records",
 * "buffered_bytes", "appended_records", "appended_bytes", "frames", "frame_bytes", "flushes", "flush_ns", "slowest_flush_ns", "rolls",
 * "truncated_records".
 */
int32_t s3dlio_log_stats_begin(uint64_t log, uint64_t *out_op);

/* Commits what was appended, and closes. What it reports is the commit's failure; the log is closed in any case. */
int32_t s3dlio_log_close(uint64_t log);

/* ---- tables -------------------------------------------------------------------------------------------------- */

/*
 * An embedding table is a directory of a local file system that holds a row of numbers for each key it was given, with what its optimizer
 * needs: more rows than memory holds. Every int64_t is a key. A key that was never written has an initial row, a function of the table's seed
 * and the key. One process changes a table, any number read its newest checkpoint. A batch counts for a session, named by 1 to 64 bytes, and
 * has a serial, more than all before in its session; after a crash a table is what its newest checkpoint says: of each session exactly
 * the batches up to the serial in that checkpoint. docs/table.md has what is promised.
 */

/*
 * Opens the table at an absolute path or file:///path. Options: mode, "r" (default) or "a", which makes it where there is none unless create is
 * false; dimension, numbers of a row, 1 to 65536, or 0 (default) for what the table has; dtype, "f4" (default), "f2" or "bf16"; optimizer,
 * {"rule":"add" | "sgd" (default) | "adagrad" | "rowwise_adagrad" | "adam" | "rowwise_adam","learning_rate","momentum","beta1","beta2","epsilon",
 * "weight_decay","initial_sum","rate_decay","clip_norm","clip_value"}; initial, {"rows":"zeros" (default) | "constant" | "uniform" | "normal","low",
 * "high"}: the constant, the bounds, or mean and deviation; seed; memory, bytes of rows that stay in memory (1 GiB); shards, a power of two up to
 * 256, or 0 (default) for what the table has, 8 for a new one; segment_size, bytes of a file (64 MiB); keep, checkpoints that are kept (2), 0 for all; admit_after, gradients of a key that is not
 * there which are passed over until it gets a row (0); ttl, seconds after which an eviction deletes a row that nobody changed (0: never): a
 * table that is made with one keeps the time of each row's last change, and only such a table is opened with one; version, the checkpoint to open, 0 (default) for the newest; fall_back, true to open the
 * one before where it is damaged; check_all, true to compare every byte with its checksum; take_all, true to take what says what the table is from
 * itself. dimension, dtype, rule and initial rows must be the table's; rates may differ at each opening. S3DLIO_UNAVAILABLE when another process
 * has it for changing. Result: {"table":9,"path","rows","version","step","row_bytes","dimension","dtype","optimizer":{},"initial":{},"seed",
 * "shards","memory","keep","admit_after","ttl","row_times","damage":["…"]}; the table is the operation's until s3dlio_op_result returned.
 */
int32_t s3dlio_table_open_begin(const char *uri, const char *options_json, uint64_t *out_op);

/* Rows that are there, the newest checkpoint (0: none) and batches of gradients so far. */
int32_t s3dlio_table_info(uint64_t table, int64_t *out_rows, int64_t *out_version, int64_t *out_step);

/*
 * Rows of so many keys in the calling thread, where none has to be read from the disk and they have at most 16 MiB. out_done: 1, or 0 where they
 * have to be looked up by the operation; data is undefined then. data has count times the table's row_bytes, in the table's dtype;
 * out_found is NULL or has count bytes: 1 for a row that is there, 0 for an initial one.
 */
int32_t s3dlio_table_lookup(uint64_t table, const int64_t *keys, size_t count, void *data, uint64_t length,
                            uint8_t *out_found, int32_t *out_done);

/* The same as an operation, whatever has to be read. Each row is whole; other threads may change some meanwhile. */
int32_t s3dlio_table_lookup_begin(uint64_t table, const int64_t *keys, size_t count, void *data, uint64_t length,
                                  uint8_t *out_found, uint64_t *out_op);

/*
 * Applies a gradient, of float whatever the table's dtype, to each key's row, by the table's optimizer, as one batch. The gradients of a
 * key that comes more than once are added first, in their order. serial -1 is the session's last and one. A serial that was applied already
 * is S3DLIO_PRECONDITION, or, with skip 1, passed over. out_serial: the session's serial now; out_skipped: 1 where it was passed over.
 */
int32_t s3dlio_table_apply(uint64_t table, const char *session, int64_t serial, int32_t skip, const int64_t *keys, size_t count,
                           const float *gradients, uint64_t length, int64_t *out_serial, int32_t *out_skipped);

/* The same as an operation. Result: {"serial":5,"skipped":false}. */
int32_t s3dlio_table_apply_begin(uint64_t table, const char *session, int64_t serial, int32_t skip, const int64_t *keys,
                                 size_t count, const float *gradients, uint64_t length, uint64_t *out_op);

/* Sets rows, in the table's dtype; of a key that comes more than once the last counts. Result: {"serial":6,"skipped":false}. */
int32_t s3dlio_table_upsert_begin(uint64_t table, const char *session, int64_t serial, int32_t skip, const int64_t *keys,
                                  size_t count, const void *data, uint64_t length, uint64_t *out_op);

/* Deletes rows; a key without one is no error. Result: {"serial":7,"skipped":false,"deleted":2}. */
int32_t s3dlio_table_delete_begin(uint64_t table, const char *session, int64_t serial, int32_t skip, const int64_t *keys,
                                  size_t count, uint64_t *out_op);

/* One byte a key: 1 where it has a row. */
int32_t s3dlio_table_contains(uint64_t table, const int64_t *keys, size_t count, uint8_t *out_found);

/* Reads rows that lie on the disk into memory. Result: {"rows":9}, how many. */
int32_t s3dlio_table_prefetch_begin(uint64_t table, const int64_t *keys, size_t count, uint64_t *out_op);

/* The last serial of a session, -1 where it has none. */
int32_t s3dlio_table_session_serial(uint64_t table, const char *session, int64_t *out_serial);

/* The last serial of every session. Result: {"name":7}. */
int32_t s3dlio_table_sessions_begin(uint64_t table, uint64_t *out_op);

/*
 * Makes a checkpoint: of each session exactly the batches up to the serial that it names, while batches go on. It is durable in the table's
 * directory, and, where store is not 0, below the key in that store too, when the operation has ended. Options: wait, false for
 * S3DLIO_UNAVAILABLE where another one is under way; keep, how many stay in the store, 0 (default) for all. Result: {"version","parent","table","created_ns","rows","step","sessions":{},"bytes",
 * "new_bytes","segments"} and, of a store, "uploaded" (files that were not there yet), "uploaded_bytes" and "removed".
 */
int32_t s3dlio_table_checkpoint_begin(uint64_t table, uint64_t store, const char *key, size_t key_length,
                                      const char *options_json, uint64_t *out_op);

/*
 * The checkpoints of the table at that place, or, where store is not 0 and uri is NULL, below the key, the oldest first. Result: a list of the
 * same.
 */
int32_t s3dlio_table_checkpoints_begin(const char *uri, uint64_t store, const char *key, size_t key_length, uint64_t *out_op);

/*
 * Brings a checkpoint from a store into a directory without a table, where it can be opened. Option: version, 0 (default) for the newest. Result:
 * as for s3dlio_table_checkpoint_begin.
 */
int32_t s3dlio_table_recover_begin(uint64_t store, const char *key, size_t key_length, const char *uri,
                                   const char *options_json, uint64_t *out_op);

/*
 * Opens a walk over all rows as they are now, each once, in no order. A table that may be changed makes a checkpoint for it where something changed
 * since the last one, and may change meanwhile. Result: {"table_scan":9}.
 */
int32_t s3dlio_table_scan_open_begin(uint64_t table, uint64_t *out_op);

/*
 * The next rows, at most so many. The operation's data begins with room for `most` int64_t keys; the rows follow. Result: {"count":9}, of which
 * there are some; 0 at the end.
 */
int32_t s3dlio_table_scan_next_begin(uint64_t scan, size_t most, uint64_t *out_op);

int32_t s3dlio_table_scan_close(uint64_t scan);

/*
 * Copies what is live out of files of which less than that share is. They go when no checkpoint that is kept names them any more. Result:
 * {"bytes":9}, of those files.
 */
int32_t s3dlio_table_compact_begin(uint64_t table, double live, uint64_t *out_op);

/*
 * Deletes rows that were last changed older_than steps ago or more, or more than older_than_seconds ago (of a table with a ttl, which is what counts
 * where this is 0), were changed fewer_than so many times, or have a norm smaller_than that; of more than most_rows, or most_bytes of rows and
 * keys in files, the ones that were changed longest ago in steps. An option that is 0 or missing chooses none. Result: {"evicted":9}; with keys
 * true the operation's data begins with the int64_t keys of those rows.
 */
int32_t s3dlio_table_evict_begin(uint64_t table, const char *options_json, uint64_t *out_op);

/*
 * The table as it is, and what was done since it was opened: {"rows","memory_bytes","index_bytes","disk_bytes","pages_in_memory","lookups",
 * "lookup_rows","disk_rows","batches","batch_rows","copies","releases","evicted","checkpoints","gate_ns","longest_gate_ns","checkpoint_ns"}.
 */
int32_t s3dlio_table_stats_begin(uint64_t table, uint64_t *out_op);

/*
 * What the files of a table say, without its lock: {"path","table","writer","version","rows","step","dimension","dtype","optimizer","initial",
 * "seed","shards","rows_per_page","checkpoints":[],"files":[{"name","bytes","checkpoints":[]}],"rows_checked","whole","findings":[{"path","offset",
 * "what"}]}. Option: check, true to compare every row with its checksum. Damage is a finding, not a failure.
 */
int32_t s3dlio_table_inspect_begin(const char *uri, const char *options_json, uint64_t *out_op);

/* Closes a table, without a checkpoint: what came after the last one is gone. */
int32_t s3dlio_table_close(uint64_t table);

#ifdef __cplusplus
}
#endif

#endif
