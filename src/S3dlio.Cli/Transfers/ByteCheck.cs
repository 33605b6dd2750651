using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cli.Transfers;

/// <summary>A stretch of an object whose bytes are not those that were written.</summary>
readonly record struct Damage(long Begin, long End, string Expected, string Found)
{
    public override string ToString() => $"bytes {Begin}..{End}: {Expected} recorded, {Found} found";
}

/// <param name="Meta">The object.</param>
/// <param name="Found">CRC32C of all its bytes.</param>
/// <param name="Compared">Whether there was anything to compare them with.</param>
/// <param name="Places">What is damaged, block by block where blocks' checksums are known, else the whole.</param>
sealed record ByteReport(ObjectMeta Meta, Checksum Found, bool Compared, IReadOnlyList<Damage> Places);

/// <summary>Reads all bytes of an object through a bounded buffer and compares them with what is recorded.</summary>
static class ByteCheck
{
    const int WindowLength = 8 << 20;

    public static async ValueTask<ByteReport> ReadAsync(ObjectStore store, string key, IProgress<long>? progress, CancellationToken cancel)
    {
        var reader = await store.OpenReadAsync(key, ReadOptions.Default, cancel);
        await using (reader)
        {
            var meta = reader.Meta;
            var blocks = await reader.FindBlocksAsync(cancel) is { } known && known.Size == meta.Size ? known : null;
            var buffer = GC.AllocateUninitializedArray<byte>((int)Math.Min(WindowLength, Math.Max(1, meta.Size)));
            var whole = Checksum.Empty;
            var block = Checksum.Empty;
            var digest = meta.Digest is { } theirs ? Digest.Empty(theirs.Kind) : default;
            var places = new List<Damage>();
            for (long at = 0; at < meta.Size;)
            {
                cancel.ThrowIfCancellationRequested();
                var window = buffer.AsMemory(0, (int)Math.Min(buffer.Length, meta.Size - at));
                var found = await ParallelRead.ReadAsync(reader, at, LargeMemory.From(window), true, null, cancel);
                whole = Checksum.Combine(whole, found, window.Length);
                if (meta.Digest is { } other)
                    digest = digest.Then(Digest.Of(other.Kind, window.Span), window.Length);
                for (int done = 0; blocks is not null && done < window.Length;)
                {
                    int number = blocks.At(at + done);
                    int length = (int)Math.Min(window.Length - done, blocks.End(number) - at - done);
                    block = at + done == blocks.Begin(number) ? Checksum.Of(window.Span.Slice(done, length))
                        : block.Append(window.Span.Slice(done, length));
                    done += length;
                    if (at + done == blocks.End(number) && block != blocks[number])
                        places.Add(new Damage(blocks.Begin(number), blocks.End(number), blocks[number].ToString(), block.ToString()));
                }
                at += window.Length;
                progress?.Report(window.Length);
            }
            string uri = store.Root.Child(key);
            try
            {
                await ObjectRead.CompareAsync(reader, uri, whole, cancel);
            }
            catch (StoreException error) when (error.Kind == ErrorKind.ChecksumMismatch)
            {
                if (places.Count == 0)
                    places.Add(new Damage(0, meta.Size, meta.Checksum!.Value.ToString(), whole.ToString()));
            }
            if (meta.Checksum is null && meta.Digest is { } recorded && recorded != digest && places.Count == 0)
                places.Add(new Damage(0, meta.Size, recorded.ToString(), digest.ToString()));
            return new ByteReport(meta, whole, meta.Checksum is not null || meta.Digest is not null || blocks is not null, places);
        }
    }
}
