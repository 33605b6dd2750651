using System.Globalization;
using S3dlio.Hashing;
using S3dlio.Http;

namespace S3dlio.Storage.Remote;

abstract partial class RemoteStore
{
    /// <summary>Read beyond the first part, so that a header of this size and the first part behind it come in one answer.</summary>
    const int HeadRoom = 64 << 10;

    /// <summary>The range begins at or behind the object's end.</summary>
    const int Unsatisfiable = 416;

    /// <summary>The request for all of an object is made without a range, where the answer is expected to be small.</summary>
    protected virtual bool AsksForWhole => false;

    /// <remarks>
    /// One GET tells what a HEAD would and brings the first bytes with it; they wait in the connection until they are read.
    /// </remarks>
    public override async ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        CheckKey(key);
        long begin = options.FirstOffset;
        long most = options.OneAnswer ? long.MaxValue - begin : client.Http.PartSize + HeadRoom;
        long length = Math.Min(options.FirstLength ?? long.MaxValue, most);
        if (length <= 0)
            return await OpenUnreadAsync(key, options.IfMatch, cancel).ConfigureAwait(false);
        bool isWhole = begin == 0 && options.FirstLength is null;
        var request = GetRequest(
            key, isWhole && (AsksForWhole || options.OneAnswer) ? null : (begin, length), options.IfMatch, Unsatisfiable);
        var answer = await client.OpenAsync(request, cancel).ConfigureAwait(false);
        try
        {
            if (answer.Status == Unsatisfiable)
            {
                // an empty object has no range at all; what lies behind an object's end is the caller's to judge, who needs its size
                answer.Dispose();
                return await OpenUnreadAsync(key, options.IfMatch, cancel).ConfigureAwait(false);
            }
            var (start, size) = Place(request.Subject, answer, begin, length);
            var meta = Describe(key, answer, size).Meta;
            ETags.Check(request.Subject, options.IfMatch, meta.ETag);
            if (isWhole && !options.OneAnswer)
            {
                if (await CompletedAsync(meta, answer.Status == 206, size <= most, cancel).ConfigureAwait(false) is not { } described)
                {
                    // replaced between two requests: one for all of it has both of one version
                    answer.Dispose();
                    return await OpenReadAsync(key, options with { OneAnswer = true }, cancel).ConfigureAwait(false);
                }
                meta = described;
            }
            return new RemoteReader(this, meta, answer, start, start + Math.Min(size - start, length))
            {
                InOrder = options.OneAnswer,
                KeepsHead = options.KeepsHead,
            };
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }

    /// <summary>What the answer to a GET of all of an object did not tell of it.</summary>
    /// <returns>Null where the object is another by now.</returns>
    protected virtual ValueTask<ObjectMeta?> CompletedAsync(ObjectMeta meta, bool isPart, bool isSmall, CancellationToken cancel) =>
        new(meta);

    /// <summary>Checksums of an object's blocks that did not come with it.</summary>
    public virtual ValueTask<BlockChecksums?> FindBlocksAsync(ObjectMeta meta, CancellationToken cancel) => new((BlockChecksums?)null);

    /// <param name="key">The object's.</param>
    /// <param name="range">Offset and length; null for the whole object.</param>
    /// <param name="ifMatch">The version's ETag; null for any.</param>
    /// <param name="alsoAccept">As in <see cref="RemoteRequest.AlsoAccept"/>.</param>
    public abstract RemoteRequest GetRequest(string key, (long Begin, long Length)? range, string? ifMatch, int alsoAccept = 0);

    async ValueTask<ObjectReader> OpenUnreadAsync(string key, string? ifMatch, CancellationToken cancel)
    {
        var meta = (await FindAsync(key, null, cancel).ConfigureAwait(false)).Meta;
        ETags.Check(Root.Child(key), ifMatch, meta.ETag);
        return new RemoteReader(this, meta, null, 0, 0);
    }

    protected static string Range(long begin, long length) =>
        string.Create(CultureInfo.InvariantCulture, $"bytes={begin}-{begin + length - 1}");

    /// <summary>
    /// Where the answer's bytes lie in the object, and the object's size: other bytes than those asked for must not become the caller's
    /// data.
    /// </summary>
    /// <exception cref="StoreException">InvalidData.</exception>
    internal static (long Start, long Size) Place(string subject, HttpResponse answer, long asked, long length)
    {
        string? text = answer.Header("Content-Range");
        // ranges are optional in HTTP; a whole object serves as well when it was asked for from its start
        if (answer.Status == 200 && text is null)
            return asked == 0
                ? (0, Size(answer))
                : throw StoreException.InvalidData(subject, "the server ignores ranges: it sent the whole object");
        if (text is not null && TryParseRange(text, out long start, out long end, out long size) && start == asked)
        {
            long count = end - start + 1;
            // a service may send nothing of what begins at the object's end, in place of status 416
            if (count == 0 && start == size && answer.Length is null or 0)
                return (start, size);
            if (count > 0 && end < size && count <= length && (count == length || end + 1 == size)
                && (answer.Length is not { } found || found == count))
                return (start, size);
        }
        throw StoreException.InvalidData(subject,
            $"{length} bytes from {asked} were asked for, the answer is of '{text}' with {answer.Length} bytes; check what stands "
            + "between this machine and the service");
    }

    /// <summary>Reads <c>bytes 0-99/1234</c>.</summary>
    internal static bool TryParseRange(ReadOnlySpan<char> text, out long start, out long end, out long size)
    {
        (start, end, size) = (0, 0, 0);
        if (!text.StartsWith("bytes ", StringComparison.OrdinalIgnoreCase))
            return false;
        text = text[6..];
        int dash = text.IndexOf('-'), slash = text.IndexOf('/');
        return dash > 0 && slash > dash
            && long.TryParse(text[..dash], NumberStyles.None, CultureInfo.InvariantCulture, out start)
            && long.TryParse(text[(dash + 1)..slash], NumberStyles.None, CultureInfo.InvariantCulture, out end)
            && long.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out size);
    }
}
