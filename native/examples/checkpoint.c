/*
 * Checkpoints from C: two ranks save a shard each, one of them makes a checkpoint of the two, and it is found and read
 * back, though half of another save lies beside it.
 *
 *   gcc -std=c99 -Wall -Wextra -Iinclude native/examples/checkpoint.c -Lpython/s3dlio -ls3dlio \
 *       -Wl,-rpath,$PWD/python/s3dlio -o checkpoint
 *   ./checkpoint memory://run '{}'
 *   ./checkpoint file:///tmp/run '{}'
 *   ./checkpoint s3://bucket/run '{"endpoint_url":"http://127.0.0.1:7480","region":"us-east-1",
 *                                  "access_key_id":"…","secret_access_key":"…"}'
 *
 * Prints each step, checks every answer, and exits with 1 at the first that is wrong. What it saves is pruned at the end.
 * The results are JSON; a real program has a parser for it, this one looks for words.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3dlio.h"

#define RANKS 2
#define TEXT 4096

static const char *what = "start";

static void fail(const char *expected, int32_t found)
{
    s3dlio_error error = {.struct_size = sizeof error};
    fprintf(stderr, "checkpoint: %s: expected %s, found %" PRId32 "\n", what, expected, found);
    if (s3dlio_last_error(&error) == S3DLIO_OK && error.message != NULL)
        fprintf(stderr, "checkpoint: last error: %s\n", error.message);
    exit(1);
}

static void step(const char *name)
{
    what = name;
    printf("%s\n", name);
}

static void ok(int32_t status)
{
    if (status != S3DLIO_OK)
        fail("S3DLIO_OK", status);
}

static void check(int condition, const char *expected)
{
    if (!condition)
        fail(expected, 0);
}

/* Waits for an operation, copies its JSON, and frees it. */
static void finish(uint64_t op, char *json)
{
    s3dlio_result result = {.struct_size = sizeof result};
    ok(s3dlio_op_wait(op, -1));
    ok(s3dlio_op_result(op, &result));
    check(result.json != NULL && result.json_length < TEXT, "a result of this size");
    memcpy(json, result.json, (size_t)result.json_length + 1);
    ok(s3dlio_op_free(op));
}

/* The text of a member, the first of that name. */
static void member(const char *json, const char *name, char *value, size_t capacity)
{
    char pattern[64];
    const char *begin, *end;
    snprintf(pattern, sizeof pattern, "\"%s\":\"", name);
    begin = strstr(json, pattern);
    check(begin != NULL, name);
    begin += strlen(pattern);
    end = strchr(begin, '"');
    check(end != NULL && (size_t)(end - begin) < capacity, "a text of this size");
    memcpy(value, begin, (size_t)(end - begin));
    value[end - begin] = 0;
}

static void save_shard(uint64_t store, int number, int rank, const char *save_id, char *shard)
{
    char target[TEXT], data[64];
    s3dlio_segment segment = {.struct_size = sizeof segment};
    uint64_t op = 0;
    snprintf(target, sizeof target, "{\"step\":%d,\"rank\":%d,\"save_id\":\"%s\",\"placement\":\"round_robin\"}", number, rank, save_id);
    segment.data = data;
    segment.length = (uint64_t)snprintf(data, sizeof data, "the state of rank %d at step %d", rank, number);
    ok(s3dlio_checkpoint_shard_put_begin(store, target, &segment, 1, &op));
    finish(op, shard);
}

/* The same through a stream, compressed, for a state that is larger than memory. */
static void stream_shard(uint64_t store, int number, int rank, const char *save_id, char *shard)
{
    char target[TEXT], json[TEXT], data[64];
    const char *described;
    uint64_t op = 0, writer = 0;
    int i, length;
    snprintf(target, sizeof target, "{\"step\":%d,\"rank\":%d,\"save_id\":\"%s\",\"compression\":\"zstd\"}", number, rank, save_id);
    ok(s3dlio_checkpoint_shard_open_begin(store, target, &op));
    finish(op, json);
    writer = (uint64_t)strtoull(strstr(json, "\"writer\":") + strlen("\"writer\":"), NULL, 10);
    length = snprintf(data, sizeof data, "the state of rank %d at step %d", rank, number);
    for (i = 0; i < length; i++) {
        ok(s3dlio_writer_write_begin(writer, data + i, 1, &op));
        ok(s3dlio_op_wait(op, -1));
        ok(s3dlio_op_free(op));
    }
    ok(s3dlio_writer_finalize_begin(writer, &op));
    finish(op, json);
    ok(s3dlio_writer_close(writer));
    described = strstr(json, "\"shard\":");
    check(described != NULL, "the shard's description");
    /* it is the last member: all but the brace that ends the result */
    snprintf(shard, TEXT, "%.*s", (int)(strlen(described) - strlen("\"shard\":") - 1), described + strlen("\"shard\":"));
}

static void save(uint64_t store, int number, char *manifest_key)
{
    char agreed[TEXT], again[TEXT], save_id[256], shards[RANKS][TEXT], request[3 * TEXT], committed[TEXT];
    uint64_t op = 0;

    step("agree: all ranks get the same id");
    ok(s3dlio_checkpoint_agree_begin(store, number, NULL, &op));
    finish(op, agreed);
    ok(s3dlio_checkpoint_agree_begin(store, number, NULL, &op));
    finish(op, again);
    check(strcmp(agreed, again) == 0, "the same id");
    member(agreed, "save_id", save_id, sizeof save_id);

    step("save: a shard of each rank");
    save_shard(store, number, 0, save_id, shards[0]);
    stream_shard(store, number, 1, save_id, shards[1]);

    step("commit: now there is a checkpoint");
    snprintf(request, sizeof request,
             "{\"step\":%d,\"framework\":\"c\",\"world_size\":%d,\"shards\":[%s,%s],\"user_meta\":{\"by\":\"checkpoint.c\"}}", number,
             RANKS, shards[0], shards[1]);
    ok(s3dlio_checkpoint_commit_begin(store, request, &op));
    finish(op, committed);
    member(committed, "manifest_key", manifest_key, 512);
    printf("  %s\n", manifest_key);
}

static void read_back(uint64_t store, int number, const char *manifest_key)
{
    char found[TEXT], key[512], data[64], expected[64], shard[TEXT];
    const char *begin, *end;
    uint64_t op = 0;
    int rank, length;

    step("find: the newest that is complete");
    ok(s3dlio_checkpoint_find_begin(store, NULL, &op));
    finish(op, found);
    member(found, "manifest_key", key, sizeof key);
    check(strcmp(key, manifest_key) == 0, "the checkpoint that was committed last");
    check(strstr(found, "\"by\":\"checkpoint.c\"") != NULL, "the user's own JSON");

    step("read: each rank's bytes, checked");
    end = strstr(found, "\"shards\":[");
    for (rank = 0; rank < RANKS; rank++) {
        begin = strchr(end, '{');
        end = strchr(begin, '}') + 1;
        snprintf(shard, sizeof shard, "%.*s", (int)(end - begin), begin);
        length = snprintf(expected, sizeof expected, "the state of rank %d at step %d", rank, number);
        ok(s3dlio_checkpoint_read_begin(store, shard, data, (uint64_t)length, NULL, &op));
        finish(op, key);
        check(strstr(key, "\"verified_by\":\"crc32c\"") != NULL, "bytes that were compared");
        check(memcmp(data, expected, (size_t)length) == 0, "the bytes that were saved");
    }
}

static void validate(uint64_t store, const char *manifest_key)
{
    char request[TEXT], report[TEXT], shard[512];
    s3dlio_result result = {.struct_size = sizeof result};
    uint64_t op = 0;

    step("validate: every byte is as it was saved");
    snprintf(request, sizeof request, "{\"manifest_key\":\"%s\"}", manifest_key);
    ok(s3dlio_checkpoint_validate_begin(store, request, &op));
    finish(op, report);
    check(strstr(report, "\"whole\":true") != NULL, "a whole checkpoint");

    step("validate: what is damaged is named");
    ok(s3dlio_checkpoint_find_begin(store, request, &op));
    ok(s3dlio_op_wait(op, -1));
    ok(s3dlio_op_result(op, &result));
    member(strstr(result.json, "\"rank\":1"), "key", shard, sizeof shard);
    ok(s3dlio_op_free(op));
    ok(s3dlio_object_put(store, shard, strlen(shard), "nonsense", 8, NULL));
    ok(s3dlio_checkpoint_validate_begin(store, request, &op));
    finish(op, report);
    check(strstr(report, "\"whole\":false") != NULL && strstr(report, "\"rank\":1") != NULL, "the damage of rank 1");
}

int main(int count, char **arguments)
{
    const char *uri = count > 1 ? arguments[1] : "memory://checkpoint-c";
    const char *options = count > 2 ? arguments[2] : NULL;
    char first[512], second[512], shard[TEXT], report[TEXT];
    uint64_t store = 0, op = 0;

    check(s3dlio_abi_version() == S3DLIO_ABI_VERSION, "the ABI of this header");
    step("open");
    ok(s3dlio_store_open(uri, options, &store));
    save(store, 1, first);
    read_back(store, 1, first);
    save(store, 2, second);
    read_back(store, 2, second);

    step("a save that nobody commits is no checkpoint");
    save_shard(store, 3, 0, "crashed", shard);
    read_back(store, 2, second);

    step("list: both, the newest first");
    ok(s3dlio_checkpoint_list_begin(store, &op));
    finish(op, report);
    check(strstr(report, second) != NULL && strstr(report, first) > strstr(report, second), "two checkpoints");

    step("prune: the older one goes, and what the crash left");
    ok(s3dlio_checkpoint_prune_begin(store, "{\"keep_last\":1,\"grace\":0}", &op));
    finish(op, report);
    printf("  %s\n", report);
    check(strstr(report, "ckpt-3-crashed") != NULL && strstr(report, first) != NULL, "what is gone");
    validate(store, second);

    step("delete");
    ok(s3dlio_checkpoint_delete_begin(store, "{\"step\":2}", &op));
    finish(op, report);
    ok(s3dlio_checkpoint_find_begin(store, NULL, &op));
    finish(op, report);
    check(strstr(report, "\"manifest_key\"") == NULL, "no checkpoint");
    ok(s3dlio_object_delete_begin(store, "manifests", 9, "{\"recursive\":true}", &op));
    finish(op, report);
    ok(s3dlio_store_close(store));
    printf("all as it should be\n");
    return 0;
}
