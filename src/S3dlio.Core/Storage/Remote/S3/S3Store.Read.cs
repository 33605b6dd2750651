using System.Globalization;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.S3;

public sealed partial class S3Store
{
    /// <summary>Read beyond the first part, so that a header of this size and the first part behind it come in one answer.</summary>
    const int HeadRoom = 64 << 10;

    /// <summary>The range begins at or behind the object's end.</summary>
    const int Unsatisfiable = 416;

    /// <remarks>
    /// One GET tells what a HEAD would and brings the first bytes with it; they wait in the connection until they are read. Servers leave the
    /// checksum out of answers to ranges, so where objects have been small the whole is asked for: one request gives all there is to know.
    /// Where they have been large a range is, and a HEAD fetches the checksum; beside the parts that follow it costs nothing.
    /// </remarks>
    public override async ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel)
    {
        ObjectKey.Check(Root, key);
        var can = _client.Capabilities;
        long begin = options.FirstOffset;
        long first = options.OneAnswer ? long.MaxValue - begin : _client.Options.Http.PartSize + HeadRoom;
        long length = Math.Min(options.FirstLength ?? long.MaxValue, first);
        if (length <= 0)
            return await OpenUnreadAsync(key, options.IfMatch, cancel).ConfigureAwait(false);
        bool whole = begin == 0 && options.FirstLength is null;
        var request = whole && (can.ObjectsAreSmall || options.OneAnswer) ? Get(key, options.IfMatch) : Get(key, begin, length, options.IfMatch);
        request.AlsoAccept = Unsatisfiable;
        var answer = await _client.OpenAsync(request, cancel).ConfigureAwait(false);
        if (answer.Status == Unsatisfiable)
        {
            // an empty object has no range at all; what lies behind an object's end is the caller's to judge, who needs its size
            answer.Dispose();
            return await OpenUnreadAsync(key, options.IfMatch, cancel).ConfigureAwait(false);
        }
        try
        {
            var (start, size) = Place(request.Subject, answer, begin);
            var meta = S3Meta.Read(key, answer, size, _client.Endpoint.IsAmazon);
            ETags.Check(request.Subject, options.IfMatch, meta.ETag);
            if (whole)
            {
                if (!options.OneAnswer)
                    can.ObjectsAreSmall = size <= first;
                if (answer.Status == 206 && !options.OneAnswer && meta.Checksum is null && can.SendsWithPut)
                {
                    if (await WithChecksumAsync(meta, cancel).ConfigureAwait(false) is not { } described)
                    {
                        // replaced between the two requests: one for all of it has both of one version
                        answer.Dispose();
                        return await OpenReadAsync(key, options with { OneAnswer = true }, cancel).ConfigureAwait(false);
                    }
                    meta = described;
                }
            }
            return new S3Reader(this, meta, answer, start, start + Math.Min(size - start, first)) { InOrder = options.OneAnswer };
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }

    /// <summary>Null where the object is another by now, whose checksum is worth nothing.</summary>
    async ValueTask<ObjectMeta?> WithChecksumAsync(ObjectMeta meta, CancellationToken cancel)
    {
        var found = await HeadOrNullAsync(meta.Key, cancel).ConfigureAwait(false);
        if (found is null)
            return meta;
        return found.ETag == meta.ETag && found.Size == meta.Size
            ? meta with { Checksum = found.Checksum, MayBeMislabelled = found.MayBeMislabelled, Digest = found.Digest }
            : null;
    }

    async ValueTask<ObjectReader> OpenUnreadAsync(string key, string? ifMatch, CancellationToken cancel)
    {
        var meta = await FindAsync(key, cancel).ConfigureAwait(false);
        ETags.Check(Root.Child(key), ifMatch, meta.ETag);
        return new S3Reader(this, meta, null, 0, 0);
    }

    internal S3Request Get(string key, long begin, long length, string? ifMatch) =>
        Get(key, ifMatch).Say("Range", string.Create(CultureInfo.InvariantCulture, $"bytes={begin}-{begin + length - 1}"));

    S3Request Get(string key, string? ifMatch)
    {
        var request = Request(HttpMethod.Get, key)
            .Say("x-amz-checksum-mode", _client.Capabilities.SendsWithPut ? "ENABLED" : null);
        return ifMatch is null ? request : request.Say("If-Match", ETags.Quoted(ifMatch));
    }

    /// <summary>Where the answer's bytes lie in the object, and the object's size.</summary>
    internal static (long Start, long Size) Place(string subject, HttpAnswer answer, long asked)
    {
        if (answer.Status == 200)
        {
            // ranges are optional in HTTP; a whole object serves as well when it was asked for from its start
            long whole = Size(subject, answer);
            return asked == 0 ? (0, whole) : throw new StoreException(ErrorKind.InvalidData, subject, "the server ignores ranges: it sent the whole object");
        }
        string? text = answer.Header("Content-Range");
        if (text is null || !TryParseRange(text, out long start, out long end, out long size) || start != asked || end < start || size <= end || (answer.Length is long length && length != end - start + 1))
            throw new StoreException(ErrorKind.InvalidData, subject, $"bytes from {asked} were asked for, the answer is of '{text}' with {answer.Length} bytes");
        return (start, size);
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
