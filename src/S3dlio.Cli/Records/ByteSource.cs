using S3dlio.Cli.CommandLine;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cli.Records;

/// <summary>
/// Bytes from the front on: standard input, or an object, unpacked where its name ends with <c>.zst</c> and compared with its checksum
/// when its end has been read.
/// </summary>
sealed class ByteSource : IAsyncDisposable
{
    readonly Stream? _input;
    readonly ObjectReader? _reader;
    Checksum _checksum = Checksum.Empty;
    long _at;

    ByteSource(string name, Stream? input, ObjectReader? reader) => (Name, _input, _reader) = (name, input, reader);

    /// <summary>As the user wrote it.</summary>
    public string Name { get; }

    public static async ValueTask<ByteSource> OpenAsync(Invocation run, string name)
    {
        if (name == "-")
            return new ByteSource("standard input", Console.OpenStandardInput(), null);
        var place = run.Stores.Open(name, wildcards: false);
        var reader = await ObjectInput.OpenStreamAsync(place.Store, place.Key, place.Key.EndsWith(".zst", StringComparison.Ordinal)
            ? Decompress.Auto : Decompress.Never, ReadOptions.Default, run.Cancel);
        return new ByteSource(name, null, reader);
    }

    /// <returns>How many bytes came; 0 at the end only.</returns>
    public async ValueTask<int> ReadAsync(Memory<byte> target, CancellationToken cancel)
    {
        if (_input is not null)
        {
            // a read of a pipe cannot be ended: when the program is, the thread that waits there goes with it
            return await Task.Run(() => _input.Read(target.Span), CancellationToken.None).WaitAsync(cancel);
        }
        if (_reader is SequentialReader stream)
        {
            int got = await stream.ReadSomeAsync(_at, target, cancel);
            _at += got;
            return got;
        }
        var window = target[..(int)Math.Min(target.Length, _reader!.Meta.Size - _at)];
        if (window.IsEmpty)
            return 0;
        var sum = await ParallelRead.ReadAsync(_reader, _at, LargeMemory.From(window), true, null, cancel);
        _checksum = Checksum.Combine(_checksum, sum, window.Length);
        _at += window.Length;
        if (_at == _reader.Meta.Size)
            await ObjectRead.CompareAsync(_reader, Name, _checksum, cancel);
        return window.Length;
    }

    public ValueTask DisposeAsync() => _reader?.DisposeAsync() ?? ValueTask.CompletedTask;
}
