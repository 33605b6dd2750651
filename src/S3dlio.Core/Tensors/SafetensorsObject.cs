using S3dlio.Compression;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Tensors;

/// <summary>
/// A safetensors object in a store, open for reading: its header is read and checked, its tensors are fetched as they are asked for.
/// </summary>
public sealed partial class SafetensorsObject : IAsyncDisposable
{
    readonly ObjectReader _reader;
    readonly string _uri;
    readonly byte[] _head;

    SafetensorsObject(ObjectReader reader, string uri, SafetensorsHeader header, byte[] head)
    {
        (_reader, _uri, Header, _head) = (reader, uri, header, head);
    }

    public SafetensorsHeader Header { get; }

    public ObjectMeta Meta => _reader.Meta;

    internal ObjectReader Reader => _reader;

    /// <summary>
    /// Writes tensors whose data lies in the caller's memory, in the order of <paramref name="tensors"/>; with a level, compressed.
    /// </summary>
    /// <returns>The object as stored, and the checksum of the safetensors file.</returns>
    public static ValueTask<(ObjectMeta Stored, Checksum Raw)> SaveAsync(
        ObjectStore store,
        string key,
        IReadOnlyList<TensorSpec> tensors,
        IReadOnlyList<LargeMemory> data,
        IReadOnlyDictionary<string, string>? metadata,
        bool checksums,
        int? level,
        PutOptions options,
        ITransferProgress progress,
        CancellationToken cancel)
    {
        var (layout, body) = Plan(store.Root.Child(key), tensors, data, metadata, checksums);
        var payload = new Payload(layout.HeadLength, found => layout.BuildHead(layout.HasChecksums ? found.Span : []), body)
        {
            HeadNeedsChecksums = layout.HasChecksums
        };
        return PayloadOutput.SaveAsync(store, key, level, payload, options, progress, cancel);
    }

    /// <summary>
    /// The same, always with checksums; it also tells where each tensor lies and what its blocks' checksums are. With a level the object is
    /// compressed and <c>.zst</c> appended to its key, whose plain name belongs to the caller; offsets are of the bytes before that.
    /// </summary>
    /// <returns>The object, and the tensors in the order of <paramref name="tensors"/>.</returns>
    public static async ValueTask<(OutputSummary Output, TensorBlocks[] Tensors)> SaveBlocksAsync(
        ObjectStore store,
        string key,
        IReadOnlyList<TensorSpec> tensors,
        IReadOnlyList<LargeMemory> data,
        IReadOnlyDictionary<string, string>? metadata,
        int? level,
        PutOptions options,
        ITransferProgress progress,
        CancellationToken cancel)
    {
        var (layout, body) = Plan(store.Root.Child(key), tensors, data, metadata, checksums: true);
        // one segment of the payload for each block: the write computes a checksum of each segment
        var segments = new List<LargeMemory>();
        foreach (var whole in body)
        {
            int length = TensorBlocks.LengthFor(whole.Length);
            for (long at = 0; at < whole.Length; at += length)
                segments.Add(whole.Part(at, Math.Min(length, whole.Length - at)));
        }
        var saved = new TensorBlocks[body.Length];
        var payload = new Payload(layout.HeadLength, found =>
        {
            int first = 0;
            var wholes = new Checksum[body.Length];
            for (int i = 0; i < body.Length; i++)
            {
                int length = TensorBlocks.LengthFor(body[i].Length);
                int count = (int)((body[i].Length + length - 1) / length);
                var blocks = found.Slice(first, count).ToArray();
                for (int k = 0; k < count; k++)
                    wholes[i] = Checksum.Combine(wholes[i], blocks[k], segments[first + k].Length);
                first += count;
                saved[layout.Sources[i]] = new TensorBlocks(
                    layout.Tensors[i], layout.HeadLength + layout.Tensors[i].Begin, wholes[i], length, count > 1 ? blocks : []);
            }
            return layout.BuildHead(wholes);
        }, segments);
        progress.Begin(payload.Length);
        if (level is { } chosen)
            return (await PayloadOutput.CompressAsync(
                    store, SeekableFormat.Name(key), chosen, payload, options, progress, cancel).ConfigureAwait(false), saved);
        var meta = await store.PutAsync(key, payload, options, progress, cancel).ConfigureAwait(false);
        return (new OutputSummary(meta, payload.Length, meta.Checksum, null), saved);
    }

    static (SafetensorsLayout Layout, LargeMemory[] Body) Plan(
        string uri, IReadOnlyList<TensorSpec> tensors, IReadOnlyList<LargeMemory> data, IReadOnlyDictionary<string, string>? metadata,
        bool checksums)
    {
        var layout = SafetensorsLayout.Create(tensors, metadata, checksums, uri);
        var body = new LargeMemory[layout.Tensors.Count];
        for (int i = 0; i < body.Length; i++)
        {
            body[i] = data[layout.Sources[i]];
            if (body[i].Length != layout.Tensors[i].Length)
                throw StoreException.InvalidArgument(uri,
                    $"tensor {MessageText.Quote(layout.Tensors[i].Name)} has {body[i].Length} bytes of data, its dtype and shape need "
                    + $"{layout.Tensors[i].Length}");
        }
        return (layout, body);
    }

    public static ValueTask<SafetensorsObject> OpenAsync(ObjectStore store, string key, CancellationToken cancel) => HeadRead.OpenAsync(
        store, key, SafetensorsHeader.PrefixLength, SafetensorsHeader.RequiredLength,
        (reader, uri, head) => new SafetensorsObject(reader, uri, SafetensorsHeader.Parse(head, reader.Meta.Size, uri), head), cancel);

    /// <summary>Reads whole tensors, several at a time, each checked against its checksum.</summary>
    /// <remarks>
    /// A file without checksums of its own is checked as a whole when all of it is read and the store has a checksum for it. Where
    /// <see cref="Validation.Required"/> is set, the rest of it is read for that, and one with which no checksum is kept is refused.
    /// </remarks>
    public ValueTask ReadAsync(
        IReadOnlyList<(int Tensor, LargeMemory Target)> wanted, Validation validation, ITransferProgress progress,
        CancellationToken cancel) => ReadAsync(_reader, wanted, validation, progress, cancel);

    /// <summary>
    /// Compares memory that holds whole tensors already, as a mapping of the file does, in the way of
    /// <see cref="ReadAsync(IReadOnlyList{ValueTuple{int, LargeMemory}}, Validation, ITransferProgress, CancellationToken)"/>.
    /// </summary>
    public async ValueTask CompareAsync(
        IReadOnlyList<(int Tensor, LargeMemory Target)> wanted, Validation validation, ITransferProgress progress, CancellationToken cancel)
    {
        // there is no read to wait for, so nothing else would leave the calling thread
        await ThreadSwitch.ToPoolAsync();
        await ReadAsync(new HeldReader(_reader, _uri), wanted, validation, progress, cancel).ConfigureAwait(false);
    }

    async ValueTask ReadAsync(
        ObjectReader reader, IReadOnlyList<(int Tensor, LargeMemory Target)> wanted, Validation validation, ITransferProgress progress,
        CancellationToken cancel)
    {
        var ranges = new LargeReadRange[wanted.Count];
        long total = 0;
        for (int i = 0; i < ranges.Length; i++)
        {
            var tensor = Tensor(wanted[i].Tensor);
            if (wanted[i].Target.Length != tensor.Length)
                throw StoreException.InvalidArgument(_uri,
                    $"tensor {MessageText.Quote(tensor.Name)} has {tensor.Length} bytes, "
                    + $"the memory given for it {wanted[i].Target.Length}");
            ranges[i] = new LargeReadRange(Header.DataOffset + tensor.Begin, wanted[i].Target);
            total += tensor.Length;
        }
        progress.Begin(total);
        var verification = await VerificationAsync(wanted, validation, cancel).ConfigureAwait(false);
        if (reader is HeldReader held)
            held.IsLookedAt = verification is { Hashes: true } or { NeedsPieces: true };
        verification?.Append(Checksum.Empty, 0, _head);
        var found = await ParallelRead.ReadAsync(reader, ranges, verification, progress, cancel).ConfigureAwait(false);
        if (verification is null)
            return;
        if (Header.HasChecksums)
        {
            for (int i = 0; i < found.Length; i++)
                Check(Tensor(wanted[i].Tensor), found[i]);
        }
        else
        {
            await verification.CompleteAsync(
                Header.DataOffset, ranges, verification.Hashes ? Whole(wanted, found) : default, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>What the tensors are compared with: the checksums in the file, or those of the whole object; null for nothing.</summary>
    async ValueTask<ReadVerification?> VerificationAsync(
        IReadOnlyList<(int Tensor, LargeMemory Target)> wanted, Validation validation, CancellationToken cancel)
    {
        if (!validation.Validate)
            return null;
        if (Header.HasChecksums)
            return ReadVerification.HashOnly;
        if (wanted.Select(static one => one.Tensor).Distinct().Count() == Header.Tensors.Count)
            return await ReadVerification.OfWholeAsync(_reader, validation, _uri, cancel).ConfigureAwait(false);
        return validation.Required ? await ReadVerification.OfPartsAsync(_reader, validation, _uri, cancel).ConfigureAwait(false) : null;
    }

    /// <summary>The tensor of that index in <see cref="SafetensorsHeader.Tensors"/>.</summary>
    TensorEntry Tensor(int index) => index >= 0 && index < Header.Tensors.Count
        ? Header.Tensors[index]
        : throw StoreException.InvalidArgument(_uri, $"there is no tensor {index}; the file has {Header.Tensors.Count}");

    void Check(TensorEntry tensor, Checksum found)
    {
        if (tensor.Checksum is Checksum recorded && recorded != found)
            throw StoreException.ChecksumMismatch(_uri,
                $"checksum mismatch in tensor {MessageText.Quote(tensor.Name)} ({tensor.Length} bytes): {recorded} recorded when it was "
                + $"written, {found} found. The bytes are damaged; validate=False reads them unchecked",
                Header.DataOffset + tensor.Begin);
    }

    /// <summary>The CRC32C of the object, from those of all its tensors.</summary>
    Checksum Whole(IReadOnlyList<(int Tensor, LargeMemory Target)> wanted, Checksum[] found)
    {
        var byTensor = new Checksum[Header.Tensors.Count];
        for (int i = 0; i < found.Length; i++)
            byTensor[wanted[i].Tensor] = found[i];
        var whole = Checksum.Of(_head);
        for (int i = 0; i < byTensor.Length; i++)
            whole = Checksum.Combine(whole, byTensor[i], Header.Tensors[i].Length);
        return whole;
    }

    public ValueTask DisposeAsync() => _reader.DisposeAsync();
}
