using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>Lists and aborts unfinished uploads.</summary>
static class UploadJobs
{
    public static Job List(ObjectStore store, string path, TimeSpan age) => async (operation, cancel) =>
        operation.SetJson(Write(await FindAsync(store, path, age, cancel).ConfigureAwait(false)));

    /// <summary>Gives those that it aborted.</summary>
    public static Job Abort(ObjectStore store, string path, TimeSpan age) => async (operation, cancel) =>
    {
        var found = await FindAsync(store, path, age, cancel).ConfigureAwait(false);
        foreach (var upload in found)
            await store.AbortUploadAsync(upload, cancel).ConfigureAwait(false);
        operation.SetJson(Write(found));
    };

    static async ValueTask<List<UnfinishedUpload>> FindAsync(ObjectStore store, string path, TimeSpan age, CancellationToken cancel)
    {
        string folder = path.Length == 0 || path.EndsWith('/') ? path : path + "/";
        var now = DateTimeOffset.UtcNow;
        var found = await store.ListUploadsAsync(path, cancel).ConfigureAwait(false);
        return [.. found.Where(
                upload => (upload.Key == path || upload.Key.StartsWith(folder, StringComparison.Ordinal)) && upload.IsOlderThan(age, now))];
    }

    static byte[] Write(List<UnfinishedUpload> found) => MetaJson.Write(json =>
    {
        json.WriteStartArray();
        foreach (var upload in found)
        {
            json.WriteStartObject();
            json.WriteString("key", upload.Key);
            json.WriteString("upload_id", upload.Id);
            if (upload.Begun is { } begun)
                json.WriteNumber("begun_ns", MetaJson.Nanoseconds(begun));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });
}
