using System.Globalization;
using System.Text;
using S3dlio.Storage;
using S3dlio.Storage.Multi;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>What an operation does.</summary>
delegate Task Job(Operation operation, CancellationToken cancel);

/// <summary>
/// The operations on objects, from arguments that the exports have checked. Kept apart from them because code with pointers cannot await.
/// </summary>
static class Jobs
{
    public delegate ValueTask<ObjectMeta> Mover(
        ObjectStore from, string source, ObjectStore to, string destination, PutOptions options, ITransferProgress progress,
        CancellationToken cancel);

    /// <summary>Work that awaits nothing; its failure is its task's.</summary>
    public static Job Now(Action<Operation, CancellationToken> body) => (operation, cancel) =>
    {
        try
        {
            body(operation, cancel);
            return Task.CompletedTask;
        }
        catch (Exception error)
        {
            return Task.FromException(error);
        }
    };

    public static Job Put(ObjectStore store, string key, Payload payload, PutOptions options) => async (operation, cancel) =>
    {
        ((ITransferProgress)operation).Begin(payload.Length);
        operation.SetJson(MetaJson.Write(await store.PutAsync(key, payload, options, operation, cancel).ConfigureAwait(false)));
    };

    public static Job Get(ObjectStore store, string key, Decompress mode, Func<long, LargeMemory>? allocate, Validation validation) =>
        async (operation, cancel) =>
        operation.SetJson(MetaJson.Write(
            await ObjectRead.WholeAsync(
                store, key, mode, allocate ?? operation.Allocate, validation, operation, cancel).ConfigureAwait(false)));

    public static Job GetRange(
        ObjectStore store, string key, Decompress mode, long offset, long? length, LargeMemory? target,
        Validation validation) => async (operation, cancel) =>
        operation.SetJson(MetaJson.Write(
            await ObjectRead.RangeAsync(
                store, key, mode, offset, length, target is null ? operation.Allocate : _ => target, validation, operation,
                cancel).ConfigureAwait(false)));

    public static Job Head(ObjectStore store, string key) => async (operation, cancel) =>
        operation.SetJson(MetaJson.Write(await store.HeadAsync(key, cancel).ConfigureAwait(false)));

    public static Job Head(ObjectStore store, string key, Action<ObjectMeta> found) => async (_, cancel) =>
        found(await store.HeadAsync(key, cancel).ConfigureAwait(false));

    public static Job Exists(ObjectStore store, string path) => async (operation, cancel) =>
        operation.SetJson(await PathOperations.ExistsAsync(store, path, cancel).ConfigureAwait(false) ? "true"u8 : "false"u8);

    /// <summary>Gives the number of objects deleted.</summary>
    public static Job Delete(ObjectStore store, string path, bool recursive) => async (operation, cancel) =>
    {
        long deleted = recursive
            ? await PathOperations.DeleteRecursiveAsync(store, path, operation, cancel).ConfigureAwait(false)
            : await PathOperations.DeleteAsync(store, path, operation, cancel).ConfigureAwait(false);
        operation.SetJson(Encoding.ASCII.GetBytes(deleted.ToString(CultureInfo.InvariantCulture)));
    };

    public static Job Move(ObjectStore from, string source, ObjectStore to, string key, PutOptions options, Mover mover) =>
        async (operation, cancel) =>
        operation.SetJson(MetaJson.Write(await mover(from, source, to, key, options, operation, cancel).ConfigureAwait(false)));

    public static Job Endpoints(ObjectStore store) => (operation, _) =>
    {
        operation.SetJson(MetaJson.Write(store is MultiStore several ? several.Statistics : []));
        return Task.CompletedTask;
    };

    public static Job Statistics() => static (operation, _) =>
    {
        operation.SetJson(MetaJson.Write(Storage.Statistics.All));
        return Task.CompletedTask;
    };

    public static Job MakeDirectory(ObjectStore store, string path) => async (_, cancel) =>
        await store.MakeDirectoryAsync(path, cancel).ConfigureAwait(false);

    /// <summary>Gives one page, or null at the end.</summary>
    public static Job Page(ListCursor cursor) => async (operation, cancel) =>
        operation.SetJson(await cursor.NextPageAsync(cancel).ConfigureAwait(false) is { } page ? MetaJson.Write(page) : "null"u8);

    public static Job Next(ListCursor cursor, Action<ListEntry?> found) => async (_, cancel) =>
        found(await cursor.NextEntryAsync(cancel).ConfigureAwait(false));

    public static Job Close(IAsyncDisposable item) => async (_, _) => await item.DisposeAsync().ConfigureAwait(false);
}
