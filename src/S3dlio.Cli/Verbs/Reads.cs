using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cli.Verbs;

/// <summary><c>cat head tail</c>: bytes of objects to standard output.</summary>
static class Reads
{
    const int WindowLength = 8 << 20;

    static readonly Option Decompressed = Option.Flag("decompress", 'd', "unpack objects whose names end with .zst");

    public static readonly Verb Cat = new("cat", "print objects, or a range of their bytes", CatRunAsync)
    {
        Positionals = [new("OBJECT", "what to print", Many: true)],
        Options =
        [
            Option.Of("offset", '\0', "SIZE", "the first byte"),
            Option.Of("length", '\0', "SIZE", "how many bytes"),
            Option.Of("range", '\0', "FIRST-LAST", "the bytes from the first to the last one, as HTTP has it"),
            Decompressed,
        ],
        Details = "Whole objects are compared with their checksum as they pass; what is damaged ends with exit code 3, after its bytes "
            + "were printed.",
        Examples = ["s3dlio cat s3://bucket/log.txt", "s3dlio cat --range 0-127 s3://bucket/a.npy | xxd"],
    };

    public static readonly Verb Head = new("head", "print the beginning of objects", static run => EndsAsync(run, fromEnd: false))
    {
        Positionals = [new("OBJECT", "what to print", Many: true)],
        Options = [Option.Of("bytes", 'c', "SIZE", "so many bytes"), Option.Of("lines", 'n', "N", "so many lines (10)"), Decompressed],
    };

    public static readonly Verb Tail = new("tail", "print the end of objects", static run => EndsAsync(run, fromEnd: true))
    {
        Positionals = [new("OBJECT", "what to print", Many: true)],
        Options = [Option.Of("bytes", 'c', "SIZE", "so many bytes"), Option.Of("lines", 'n', "N", "so many lines (10)"), Decompressed],
    };

    static Task<int> CatRunAsync(Invocation run)
    {
        long offset = run.Size("offset", 0);
        long? length = run.Text("length") is null ? null : run.Size("length", 0);
        if (run.Text("range") is { } range)
        {
            string[] ends = range.Split('-', 2);
            if (ends.Length != 2 || ends[0].Length == 0)
                throw new UsageException($"--range: write FIRST-LAST or FIRST-, found '{range}'");
            offset = Quantity.Size(ends[0], "--range");
            length = ends[1].Length == 0 ? null : Quantity.Size(ends[1], "--range") - offset + 1;
            if (length <= 0)
                throw new UsageException($"--range: the last byte comes before the first in '{range}'");
        }
        return CatAsync(run, run.Arguments, offset, length);
    }

    public static async Task<int> CatAsync(Invocation run, IEnumerable<string> named, long offset, long? length)
    {
        bool damaged = false;
        foreach (string name in named)
        {
            try
            {
                await foreach (var (place, key) in ObjectsAsync(run, name))
                    await PrintAsync(run, place, key, offset, length);
            }
            catch (StoreException error)
            {
                run.Terminal.Failure(error);
                damaged |= error.Kind == ErrorKind.ChecksumMismatch;
            }
        }
        return damaged ? ExitCode.Differences : run.Outcome;
    }

    /// <summary>A plain address is opened without a look at it first: that would be a request more.</summary>
    static async IAsyncEnumerable<(Place Place, string Key)> ObjectsAsync(Invocation run, string name)
    {
        var place = run.Stores.Open(name);
        if (place.Glob is null)
        {
            yield return (place, place.IsFolder
                ? throw new StoreException(ErrorKind.IsDirectory, name, "this is a folder; name an object, or use wildcards") : place.Key);
            yield break;
        }
        await foreach (var found in Tree.FindAsync(place, recursive: false, new Filter(), run.Cancel))
            yield return (place, found.Meta.Key);
    }

    static Decompress Mode(Invocation run) => run.Has("decompress") ? Decompress.Auto : Decompress.Never;

    /// <summary>Window after window, the next one read while one is written.</summary>
    static async Task PrintAsync(Invocation run, Place place, string key, long offset, long? length)
    {
        bool whole = offset == 0 && length is null;
        var options = new ReadOptions { FirstOffset = offset, FirstLength = Math.Min(length ?? WindowLength, WindowLength) };
        await using var reader = await ObjectInput.OpenStreamAsync(place.Store, key, Mode(run), options, run.Cancel);
        if (reader is SequentialReader stream)
        {
            await PrintAsync(run, stream, offset, length);
            return;
        }
        long size = reader.Meta.Size;
        if (offset > size)
            throw new StoreException(ErrorKind.InvalidArgument, place.Address(key),
                $"the object has {size} bytes; there is none at {offset}");
        long end = Math.Min(size, length is { } count && count < size - offset ? offset + count : size);
        var buffers = new byte[2][];
        var checksum = Hashing.Checksum.Empty;
        Memory<byte> Window(long at)
        {
            ref byte[] buffer = ref buffers[(at - offset) / WindowLength % 2];
            int here = (int)Math.Min(WindowLength, end - at);
            buffer ??= GC.AllocateUninitializedArray<byte>(here);
            return buffer.AsMemory(0, here);
        }
        Task<Hashing.Checksum> Read(long at)
        {
            // made here: two threads that ask for a buffer would each get one of their own
            var window = Window(at);
            return Task.Run(() => ParallelRead.ReadAsync(reader, at, LargeMemory.From(window), whole, null, run.Cancel).AsTask());
        }
        var next = offset < end ? Read(offset) : null;
        try
        {
            for (long at = offset; at < end; at += WindowLength)
            {
                var window = Window(at);
                var sum = await next!;
                checksum = Hashing.Checksum.Combine(checksum, sum, window.Length);
                next = at + WindowLength < end ? Read(at + WindowLength) : null;
                run.Terminal.Bytes(window.Span);
            }
        }
        finally
        {
            if (next is not null)
                await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        if (whole)
            await ObjectRead.CompareAsync(reader, place.Address(key), checksum, run.Cancel);
    }

    static async Task PrintAsync(Invocation run, SequentialReader reader, long offset, long? length)
    {
        var buffer = new byte[1 << 20];
        long end = length is { } count ? offset + count : long.MaxValue;
        for (long at = offset; at < end;)
        {
            int got = await reader.ReadSomeAsync(at, buffer.AsMemory(0, (int)Math.Min(buffer.Length, end - at)), run.Cancel);
            if (got == 0)
                return;
            run.Terminal.Bytes(buffer.AsSpan(0, got));
            at += got;
        }
    }

    static async Task<int> EndsAsync(Invocation run, bool fromEnd)
    {
        long? bytes = run.Text("bytes") is null ? null : run.Size("bytes", 0);
        int lines = run.Integer("lines", 10, 0, int.MaxValue);
        bool many = run.Arguments.Count > 1;
        foreach (string name in run.Arguments)
        {
            try
            {
                await foreach (var (place, key) in ObjectsAsync(run, name))
                {
                    if (many)
                        run.Terminal.Line($"==> {Output.Quoted.Name(place.Address(key))} <==");
                    await EndAsync(run, place, key, fromEnd, bytes, lines);
                }
            }
            catch (StoreException error)
            {
                run.Terminal.Failure(error);
            }
        }
        return run.Outcome;
    }

    static async Task EndAsync(Invocation run, Place place, string key, bool fromEnd, long? bytes, int lines)
    {
        await using var reader = await ObjectInput.OpenAsync(place.Store, key, Mode(run), new ReadOptions { FirstLength = 0 }, run.Cancel);
        long size = reader.Meta.Size;
        if (bytes is { } count)
        {
            long begin = fromEnd ? Math.Max(0, size - count) : 0;
            await CopyAsync(run, reader, begin, fromEnd ? size : Math.Min(size, count));
        }
        else if (fromEnd)
        {
            await CopyAsync(run, reader, await LinesFromEndAsync(reader, size, lines, run.Cancel), size);
        }
        else
        {
            await HeadLinesAsync(run, reader, size, lines);
        }
    }

    static async Task HeadLinesAsync(Invocation run, ObjectReader reader, long size, int lines)
    {
        var buffer = new byte[(int)Math.Clamp(size, 1, 64 << 10)];
        for (long at = 0; at < size && lines > 0;)
        {
            var window = buffer.AsMemory(0, (int)Math.Min(buffer.Length, size - at));
            await reader.ReadAsync(at, window, run.Cancel);
            int end = 0;
            while (lines > 0 && end < window.Length)
            {
                int mark = window.Span[end..].IndexOf((byte)'\n');
                end = mark < 0 ? window.Length : end + mark + 1;
                lines -= mark < 0 ? 0 : 1;
            }
            run.Terminal.Bytes(window.Span[..end]);
            at += window.Length;
        }
    }

    /// <summary>Where the last lines begin; the newline at the very end ends the last line and begins none.</summary>
    static async Task<long> LinesFromEndAsync(ObjectReader reader, long size, int lines, CancellationToken cancel)
    {
        var buffer = new byte[(int)Math.Clamp(size, 1, 64 << 10)];
        int seen = 0;
        for (long end = size; end > 0;)
        {
            long begin = Math.Max(0, end - buffer.Length);
            var window = buffer.AsMemory(0, (int)(end - begin));
            await reader.ReadAsync(begin, window, cancel);
            for (int at = window.Length - 1; at >= 0; at--)
            {
                if (window.Span[at] == '\n' && begin + at != size - 1 && ++seen == lines)
                    return begin + at + 1;
            }
            end = begin;
        }
        return lines == 0 ? size : 0;
    }

    static async Task CopyAsync(Invocation run, ObjectReader reader, long begin, long end)
    {
        var buffer = new byte[(int)Math.Clamp(end - begin, 1, 1 << 20)];
        for (long at = begin; at < end;)
        {
            var window = buffer.AsMemory(0, (int)Math.Min(buffer.Length, end - at));
            await reader.ReadAsync(at, window, run.Cancel);
            run.Terminal.Bytes(window.Span);
            at += window.Length;
        }
    }
}
