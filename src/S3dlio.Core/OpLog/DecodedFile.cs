using S3dlio.Compression;
using S3dlio.Storage;

namespace S3dlio.OpLog;

/// <summary>
/// The bytes of a file, decompressed where it is zstd, from its begin to its end. One that was cut, as a process that died leaves it, ends
/// there.
/// </summary>
sealed class DecodedFile : IDisposable
{
    const int BufferLength = 1 << 20;

    readonly FileStream _file;
    readonly string _path;
    readonly byte[] _input = new byte[BufferLength];
    readonly StreamDecoder? _decoder;
    int _begin, _end;
    bool _fileEnded;

    public DecodedFile(string path)
    {
        _path = path;
        try
        {
            _file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            Fill();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            _file?.Dispose();
            throw new StoreException(error is FileNotFoundException or DirectoryNotFoundException ? ErrorKind.NotFound
                : ErrorKind.PermissionDenied, path, $"the log cannot be read: {error.Message}", cause: error);
        }
        if (_end >= 4 && BitConverter.ToUInt32(_input) == SeekableFormat.FrameMagic)
            _decoder = new StreamDecoder();
    }

    /// <summary>Whether the last frame was not whole.</summary>
    public bool WasCut { get; private set; }

    /// <returns>Bytes given; 0 at the end.</returns>
    public int Read(Span<byte> target)
    {
        while (true)
        {
            if (_end - _begin < StreamDecoder.MostHeader && !_fileEnded)
                Fill();
            if (_decoder is null)
            {
                int count = Math.Min(target.Length, _end - _begin);
                _input.AsSpan(_begin, count).CopyTo(target);
                _begin += count;
                return count;
            }
            if (_begin == _end && _decoder.IsAtEnd)
                return 0;
            int taken, given;
            try
            {
                (taken, given) = _decoder.Decode(_input.AsSpan(_begin, _end - _begin), target);
            }
            catch (CompressionException fault)
            {
                throw new StoreException(ErrorKind.InvalidData, _path, fault.Message, _decoder.Taken, fault);
            }
            _begin += taken;
            if (given > 0)
                return given;
            if (taken == 0 && _begin == _end && _fileEnded)
            {
                WasCut = true;
                return 0;
            }
        }
    }

    public void Dispose()
    {
        _decoder?.Dispose();
        _file.Dispose();
    }

    void Fill()
    {
        _input.AsSpan(_begin, _end - _begin).CopyTo(_input);
        (_begin, _end) = (0, _end - _begin);
        int count = _file.Read(_input.AsSpan(_end));
        _fileEnded = count == 0;
        _end += count;
    }
}
