using System.Runtime.CompilerServices;
using S3dlio.Storage;

namespace S3dlio.OpLog;

/// <summary>
/// A store whose operations become rows of a log, all else as the store that it stands before. A read is one row from the opening of the
/// object to its last byte, a write one from its begin to the moment when the object is there.
/// </summary>
public sealed class RecordedStore : DelegatingStore
{
    readonly ObjectStore _inner;
    readonly OpLogWriter _log;
    readonly string _endpoint;
    readonly string _above;

    public RecordedStore(ObjectStore inner, OpLogWriter log)
    {
        (_inner, _log) = (inner, log);
        var root = inner.Root;
        _endpoint = $"{root.Scheme}://{root.Container}";
        string start = root.Child("");
        _above = start[(root.Scheme.Length + "://".Length)..];
    }

    protected override ObjectStore Inner => _inner;

    protected override (ObjectStore Store, string Key) Innermost(string key) => _inner.InnermostOf(key);

    public override async ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel)
    {
        long start = OpClock.Now;
        try
        {
            var reader = await _inner.OpenReadAsync(key, options, cancel).ConfigureAwait(false);
            return new RecordedReader(reader, this, key, start, OpClock.Now);
        }
        catch (Exception error)
        {
            Record(OpName.Get, key, start, error: error);
            throw;
        }
    }

    public override async ValueTask<ObjectMeta> PutAsync(string key, Payload payload, PutOptions options, IProgress<long>? progress,
        CancellationToken cancel)
    {
        long start = OpClock.Now;
        try
        {
            var meta = await _inner.PutAsync(key, payload, options, progress, cancel).ConfigureAwait(false);
            Record(OpName.Put, key, start, bytes: payload.Length);
            return meta;
        }
        catch (Exception error)
        {
            Record(OpName.Put, key, start, error: error);
            throw;
        }
    }

    public override async ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel)
    {
        long start = OpClock.Now;
        try
        {
            return new RecordedWriter(await _inner.OpenWriteAsync(key, options, cancel).ConfigureAwait(false), this, key, start);
        }
        catch (Exception error)
        {
            Record(OpName.Put, key, start, error: error);
            throw;
        }
    }

    public override async ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel)
    {
        long start = OpClock.Now;
        try
        {
            var meta = await _inner.HeadAsync(key, cancel).ConfigureAwait(false);
            Record(OpName.Stat, key, start);
            return meta;
        }
        catch (Exception error)
        {
            Record(OpName.Stat, key, start, error: error);
            throw;
        }
    }

    public override async IAsyncEnumerable<ListPage> ListAsync(string prefix, ListOptions options,
        [EnumeratorCancellation] CancellationToken cancel)
    {
        long start = OpClock.Now, objects = 0;
        long? first = null;
        var pages = _inner.ListAsync(prefix, options, cancel).GetAsyncEnumerator(cancel);
        bool told = false;
        try
        {
            while (true)
            {
                ListPage page;
                try
                {
                    if (!await pages.MoveNextAsync().ConfigureAwait(false))
                        break;
                    page = pages.Current;
                }
                catch (Exception error)
                {
                    told = true;
                    Record(OpName.List, prefix, start, objects, first: first, error: error);
                    throw;
                }
                first ??= OpClock.Now;
                objects += page.Objects.Count + page.Prefixes.Count;
                yield return page;
            }
        }
        finally
        {
            if (!told)
                Record(OpName.List, prefix, start, objects, first: first);
            await pages.DisposeAsync().ConfigureAwait(false);
        }
    }

    public override async ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel)
    {
        long start = OpClock.Now;
        string key = keys.Count == 1 ? keys[0] : "";
        try
        {
            var failures = await _inner.DeleteAsync(keys, cancel).ConfigureAwait(false);
            Record(OpName.Delete, key, start, keys.Count, error: failures.Count > 0 ? failures[0].Error : null);
            return failures;
        }
        catch (Exception error)
        {
            Record(OpName.Delete, key, start, keys.Count, error: error);
            throw;
        }
    }

    public override ValueTask<bool> DeleteSeenAsync(string key, ObjectMeta seen, CancellationToken cancel) =>
        TimedAsync(OpName.Delete, key, _inner.DeleteSeenAsync(key, seen, cancel));

    public override ValueTask<ObjectMeta> CopyAsync(string source, string destination, PutOptions options, CancellationToken cancel) =>
        TimedAsync(OpName.Copy, destination, _inner.CopyAsync(source, destination, options, cancel));

    public override ValueTask<ObjectMeta> RenameAsync(string source, string destination, PutOptions options, CancellationToken cancel) =>
        TimedAsync(OpName.Move, destination, _inner.RenameAsync(source, destination, options, cancel));

    public override async ValueTask<TreeDelete?> DeleteTreeAsync(string path, IProgress<long> progress, CancellationToken cancel)
    {
        long start = OpClock.Now;
        try
        {
            var done = await _inner.DeleteTreeAsync(path, progress, cancel).ConfigureAwait(false);
            if (done is not null)
                Record(OpName.Delete, path, start, done.Deleted, error: done.First);
            return done;
        }
        catch (Exception error)
        {
            Record(OpName.Delete, path, start, error: error);
            throw;
        }
    }

    async ValueTask<T> TimedAsync<T>(string op, string key, ValueTask<T> work)
    {
        long start = OpClock.Now;
        try
        {
            var result = await work.ConfigureAwait(false);
            Record(op, key, start);
            return result;
        }
        catch (Exception error)
        {
            Record(op, key, start, error: error);
            throw;
        }
    }

    internal void Record(
        string op, string key, long start, long objects = 1, long bytes = 0, long? first = null, long? end = null, long? offset = null,
            long? cached = null, Exception? error = null)
    {
        _log.Append(new OpRecord
        {
            Op = op,
            Thread = Environment.CurrentManagedThreadId,
            Objects = objects,
            Bytes = bytes,
            Endpoint = _endpoint,
            File = _above + key,
            Error = error is null ? "" : error is OperationCanceledException ? "cancelled" : error is StoreException known
                ? $"{known.Kind}: {known.Detail}" : error.GetType().Name,
            Start = start,
            FirstByte = first,
            End = end ?? OpClock.Now,
            Offset = offset,
            Cached = cached,
        });
    }
}
