using S3dlio.Hashing;

namespace S3dlio.Storage.Remote;

/// <summary>An upload in parts: begun, given its parts in any order, then completed or aborted.</summary>
abstract class PartUpload
{
    readonly SortedList<int, Part> _parts = [];
    readonly Lock _gate = new();

    /// <summary>The parts by number; read when none is under way any more.</summary>
    public SortedList<int, Part> Parts => _parts;

    public long Length => _parts.Values.Sum(part => part.Length);

    /// <summary>The checksum of all parts in order, null when one of them has none.</summary>
    public Checksum? Whole
    {
        get
        {
            var whole = Checksum.Empty;
            foreach (var part in _parts.Values)
            {
                if (part.Checksum is not { } checksum)
                    return null;
                whole = Checksum.Combine(whole, checksum, part.Length);
            }
            return whole;
        }
    }

    /// <summary>The checksums of the object's blocks, cut where the pieces of its parts are.</summary>
    public BlockChecksums? Blocks => BlockChecksums.Join([.. _parts.Values.SelectMany(part => part.Pieces)]);

    /// <summary>Uploads one part from memory that is not changed meanwhile.</summary>
    public async ValueTask PutAsync(int number, PayloadPart part, PartHash hash, IProgress<long>? progress, CancellationToken cancel)
    {
        string tag = await SendAsync(number, part, hash, progress, cancel).ConfigureAwait(false);
        Add(number, new Part(tag, hash.Whole, part.Length, [.. part.Pieces.Select((piece, i) => ((long)piece.Length, hash.Pieces[i]))]));
    }

    /// <summary>Makes the object of its parts, under the options' condition.</summary>
    public abstract ValueTask<ObjectMeta> CompleteAsync(PutOptions options, CancellationToken cancel);

    /// <summary>Gives back what was uploaded; a failure is not reported, since the one that led here is.</summary>
    public virtual ValueTask AbortAsync() => ValueTask.CompletedTask;

    /// <returns>The part's ETag, where the completion has to name it.</returns>
    protected abstract ValueTask<string> SendAsync(
        int number, PayloadPart part, PartHash hash, IProgress<long>? progress, CancellationToken cancel);

    protected void Add(int number, Part part)
    {
        lock (_gate)
            _parts[number] = part;
    }

    /// <param name="Tag">Its ETag, as the server sent it.</param>
    /// <param name="Checksum">CRC32C, where it is known.</param>
    /// <param name="Length">In bytes.</param>
    /// <param name="Pieces">CRC32C of its pieces.</param>
    public readonly record struct Part(string Tag, Checksum? Checksum, long Length, IReadOnlyList<(long Length, Checksum Checksum)> Pieces);
}

/// <summary>
/// The service has dropped the parts, since another write of the name was completed. Never leaves a store but as its error.
/// </summary>
sealed class LostPartsException(StoreException error) : Exception(error.Message, error)
{
    public StoreException Error => error;
}
