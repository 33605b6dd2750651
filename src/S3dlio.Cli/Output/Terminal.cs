using System.Buffers;
using System.Text;
using System.Text.Json;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cli.Output;

/// <summary>
/// What the program says: lines or JSON on standard output, errors and progress on standard error. May be called from any thread.
/// </summary>
sealed class Terminal : IDisposable
{
    readonly Lock _gate = new();
    readonly Stream _output;
    readonly Stream _errors;
    readonly ArrayBufferWriter<byte> _pending = new(1 << 16);
    readonly ArrayBufferWriter<byte> _line = new();
    readonly bool _outputIsTerminal;

    public Terminal(Stream output, Stream errors, bool outputIsTerminal, bool errorsAreTerminal)
    {
        (_output, _errors, _outputIsTerminal) = (output, errors, outputIsTerminal);
        Progress = new Progress(this, errorsAreTerminal);
    }

    public bool Json { get; set; }

    public bool Quiet { get; set; }

    public bool Verbose { get; set; }

    public Progress Progress { get; }

    public int Failures { get; private set; }

    /// <summary>A line for people; nothing where JSON was asked for.</summary>
    public void Line(string text)
    {
        if (Json)
            return;
        lock (_gate)
        {
            Append(text);
            Append("\n");
            Drain();
        }
    }

    /// <summary>The same, unless <c>--quiet</c>.</summary>
    public void Note(string text)
    {
        if (!Quiet)
            Line(text);
    }

    /// <summary>A name as its own bytes, with a NUL behind it: for other programs.</summary>
    public void Raw(string name)
    {
        lock (_gate)
        {
            _pending.Write(PathText.Encode(name));
            _pending.Write("\0"u8);
            Drain();
        }
    }

    /// <summary>A line of JSON.</summary>
    public void Object(Action<Utf8JsonWriter> write)
    {
        lock (_gate)
        {
            _line.ResetWrittenCount();
            using (var json = new Utf8JsonWriter(_line, JsonText.Options))
            {
                json.WriteStartObject();
                write(json);
                json.WriteEndObject();
            }
            _pending.Write(_line.WrittenSpan);
            _pending.Write("\n"u8);
            Drain();
        }
    }

    /// <summary>Bytes of an object.</summary>
    public void Bytes(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            Flush();
            _output.Write(bytes);
        }
    }

    /// <summary>Something failed, and the rest goes on.</summary>
    public void Failure(Exception error)
    {
        lock (_gate)
            Failures++;
        Progress.Failed();
        Error(error);
    }

    public void Error(Exception error)
    {
        var known = error as StoreException;
        Error(error is StoreException ? error.Message : $"{error.GetType().Name}: {error.Message}", known?.Kind.ToString() ?? "Internal",
            known?.Uri ?? "");
    }

    public void Error(string message, string kind = "Usage", string uri = "")
    {
        lock (_gate)
        {
            Progress.Clear();
            if (!Json)
            {
                _errors.Write(Encoding.UTF8.GetBytes($"s3dlio: {Quoted.Text(message)}\n"));
                return;
            }
            var buffer = new ArrayBufferWriter<byte>();
            using (var json = new Utf8JsonWriter(buffer, JsonText.Options))
            {
                json.WriteStartObject();
                json.WriteString("error", PathText.Show(message));
                json.WriteString("kind", kind);
                if (uri.Length > 0)
                    json.WriteString("uri", PathText.Show(uri));
                json.WriteEndObject();
            }
            buffer.Write("\n"u8);
            _errors.Write(buffer.WrittenSpan);
        }
    }

    /// <summary>Text on standard error as it is: progress.</summary>
    public void Status(string text)
    {
        lock (_gate)
            _errors.Write(Encoding.UTF8.GetBytes(text));
    }

    public void Flush()
    {
        lock (_gate)
        {
            if (_pending.WrittenCount == 0)
                return;
            _output.Write(_pending.WrittenSpan);
            _pending.ResetWrittenCount();
        }
    }

    /// <summary>Nobody reads what is still to be written.</summary>
    public void Discard()
    {
        lock (_gate)
            _pending.ResetWrittenCount();
    }

    public void Dispose()
    {
        Progress.Dispose();
        Flush();
        _output.Flush();
    }

    void Append(string text)
    {
        var span = _pending.GetSpan(Encoding.UTF8.GetMaxByteCount(text.Length));
        _pending.Advance(Encoding.UTF8.GetBytes(text, span));
    }

    void Drain()
    {
        if (_outputIsTerminal)
            Progress.Clear();
        if (_outputIsTerminal || _pending.WrittenCount > 1 << 16)
            Flush();
    }
}
