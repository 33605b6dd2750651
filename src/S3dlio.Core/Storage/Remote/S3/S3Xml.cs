using System.Security;
using System.Text;

namespace S3dlio.Storage.Remote.S3;

/// <summary>S3's documents, in both directions.</summary>
static class S3Xml
{
    public const string Service = "an S3 service";

    public const string Namespace = "http://s3.amazonaws.com/doc/2006-03-01/";

    /// <summary>As <see cref="ServiceXml.Read"/>.</summary>
    public static T Read<T>(ReadOnlyMemory<byte> text, string subject, Func<ServiceXml, T> read) =>
        ServiceXml.Read(text, subject, Service, read);

    /// <summary>Text as an element's content.</summary>
    public static string Escape(string text)
    {
        string escaped = SecurityElement.Escape(text);
        return escaped.Contains('\r', StringComparison.Ordinal) ? escaped.Replace("\r", "&#13;", StringComparison.Ordinal) : escaped;
    }

    /// <summary>True when XML 1.0 can carry the text.</summary>
    public static bool CanHold(string text)
    {
        foreach (char c in text)
        {
            if ((c < ' ' && c is not ('\t' or '\n' or '\r')) || c is '\uFFFE' or '\uFFFF')
                return false;
        }
        return true;
    }

    public static byte[] Bytes(StringBuilder text) => Encoding.UTF8.GetBytes(text.ToString());
}
