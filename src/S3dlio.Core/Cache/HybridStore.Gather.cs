using S3dlio.Storage;

namespace S3dlio.Cache;

public sealed partial class HybridStore
{
    /// <summary>
    /// A stream that waits in the journal when it is complete; what becomes too long for that goes to the store as it comes.
    /// </summary>
    sealed class GatheringWriter(HybridStore store, string key, PutOptions options, long most) : ObjectWriter
    {
        readonly WriterState _state = new(store.Root.Child(key));
        MemoryStream _gathered = new();
        ObjectWriter? _through;

        public override long Written => _through?.Written ?? _gathered.Length;

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
        {
            _state.Begin(cancel);
            if (_through is null && _gathered.Length + data.Length <= most)
                _gathered.Write(data.Span);
            else
                await (await ThroughAsync(cancel).ConfigureAwait(false)).WriteAsync(data, cancel).ConfigureAwait(false);
            _state.Wrote();
        }

        public override async ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel)
        {
            _state.Begin(cancel);
            ObjectMeta? written = null;
            if (_through is null)
            {
                var bytes = _gathered.GetBuffer().AsMemory(0, (int)_gathered.Length);
                written = await store.TryPutBackAsync(key, new Payload(bytes), options, null, cancel).ConfigureAwait(false);
            }
            written ??= await (await ThroughAsync(cancel).ConfigureAwait(false)).CompleteAsync(cancel).ConfigureAwait(false);
            _state.End();
            return written;
        }

        async ValueTask<ObjectWriter> ThroughAsync(CancellationToken cancel)
        {
            if (_through is not null)
                return _through;
            _through = await store.OpenThroughAsync(key, options, cancel).ConfigureAwait(false);
            await _through.WriteAsync(_gathered.GetBuffer().AsMemory(0, (int)_gathered.Length), cancel).ConfigureAwait(false);
            _gathered = new MemoryStream();
            return _through;
        }

        public override async ValueTask DisposeAsync()
        {
            _state.End();
            if (_through is { } inner)
                await inner.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>What waits for the object goes before it is complete.</summary>
    sealed class LateWriter(HybridStore store, string key, ObjectWriter inner) : DelegatingWriter(inner)
    {
        public override async ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel)
        {
            await store.BeforeAsync(key, PutOptions.Default, cancel).ConfigureAwait(false);
            return store.Told(key, await base.CompleteAsync(cancel).ConfigureAwait(false));
        }
    }

    /// <summary>A version under the tag that this process was told when it wrote it.</summary>
    sealed class ToldReader(ObjectReader inner, string tag) : DelegatingReader(inner)
    {
        ObjectMeta? _from, _told;

        public override ObjectMeta Meta
        {
            get
            {
                // a reader learns more of its object as it reads
                var now = base.Meta;
                if (!ReferenceEquals(now, _from))
                    (_told, _from) = (now with { ETag = tag }, now);
                return _told!;
            }
        }
    }
}
