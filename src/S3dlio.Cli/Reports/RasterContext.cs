using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using OxyPlot;

namespace S3dlio.Cli.Reports;

/// <summary>Draws charts as pixels, with smooth edges, and writes them as PNG.</summary>
sealed class RasterContext : ClippingRenderContext
{
    readonly int _width, _height;
    readonly double _scale;
    readonly byte[] _pixels;
    OxyRect _clip;

    /// <param name="width">Units of the chart.</param>
    /// <param name="height">Likewise.</param>
    /// <param name="scale">Pixels of a unit.</param>
    public RasterContext(int width, int height, double scale)
    {
        (_width, _height, _scale) = ((int)(width * scale), (int)(height * scale), scale);
        _pixels = new byte[_width * _height * 3];
        _pixels.AsSpan().Fill(0xff);
        _clip = new OxyRect(0, 0, _width, _height);
    }

    /// <summary>Added to every place: where the chart lies that is drawn now.</summary>
    public double Top { get; set; }

    public byte[] Png()
    {
        using var file = new MemoryStream();
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a]);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, _width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), _height);
        // 8 bits a channel, red, green and blue
        (header[8], header[9]) = (8, 2);
        Chunk(file, "IHDR"u8, header);
        using var packed = new MemoryStream();
        using (var deflate = new ZLibStream(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            for (int y = 0; y < _height; y++)
            {
                deflate.WriteByte(0);
                deflate.Write(_pixels.AsSpan(y * _width * 3, _width * 3));
            }
        }
        Chunk(file, "IDAT"u8, packed.ToArray());
        Chunk(file, "IEND"u8, []);
        return file.ToArray();
    }

    static void Chunk(MemoryStream file, ReadOnlySpan<byte> type, ReadOnlySpan<byte> data)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        file.Write(number);
        file.Write(type);
        file.Write(data);
        var crc = new Crc32();
        crc.Append(type);
        crc.Append(data);
        BinaryPrimitives.WriteUInt32BigEndian(number, crc.GetCurrentHashAsUInt32());
        file.Write(number);
    }

    public override void DrawLine(IList<ScreenPoint> points, OxyColor stroke, double thickness, EdgeRenderingMode edgeRenderingMode,
        double[] dashArray, LineJoin lineJoin)
    {
        for (int i = 1; i < points.Count; i++)
            Segment(Pixel(points[i - 1]), Pixel(points[i]), stroke, Math.Max(1, thickness * _scale));
    }

    public override void DrawPolygon(IList<ScreenPoint> points, OxyColor fill, OxyColor stroke, double thickness,
        EdgeRenderingMode edgeRenderingMode, double[] dashArray, LineJoin lineJoin)
    {
        if (fill.IsVisible())
            Fill([.. points.Select(Pixel)], fill);
        if (stroke.IsVisible() && thickness > 0)
            DrawLine([.. points, points[0]], stroke, thickness, edgeRenderingMode, dashArray, lineJoin);
    }

    public override void DrawText(ScreenPoint p, string text, OxyColor fill, string fontFamily, double fontSize, double fontWeight,
        double rotate, HorizontalAlignment horizontalAlignment, VerticalAlignment verticalAlignment, OxySize? maxSize)
    {
        if (string.IsNullOrEmpty(text))
            return;
        var size = MeasureText(text, fontFamily, fontSize, fontWeight);
        double left = horizontalAlignment switch
        {
            HorizontalAlignment.Center => -size.Width / 2,
            HorizontalAlignment.Right => -size.Width,
            _ => 0,
        };
        double baseLine = verticalAlignment switch
        {
            VerticalAlignment.Top => size.Height * 0.85,
            VerticalAlignment.Middle => size.Height * 0.35,
            _ => -size.Height * 0.15,
        };
        var (sine, cosine) = Math.SinCos(rotate / 180 * Math.PI);
        double thickness = Math.Max(1, fontSize * _scale * (fontWeight > 500 ? 0.12 : 0.085));
        foreach (var stroke in StrokeFont.Strokes(text, fontSize))
        {
            (double X, double Y)? before = null;
            foreach (var (x, y) in stroke)
            {
                double alongX = left + x, alongY = baseLine + y;
                var next = Pixel(new ScreenPoint(p.X + (alongX * cosine) - (alongY * sine), p.Y + (alongX * sine) + (alongY * cosine)));
                if (before is { } last)
                    Segment(last, next, fill, thickness);
                before = next;
            }
        }
    }

    public override OxySize MeasureText(string text, string fontFamily, double fontSize, double fontWeight) =>
        string.IsNullOrEmpty(text) ? OxySize.Empty : new OxySize(StrokeFont.Width(text, fontSize), fontSize);

    protected override void SetClip(OxyRect clippingRectangle)
    {
        var (left, top) = Pixel(clippingRectangle.TopLeft);
        _clip = new OxyRect(left, top, clippingRectangle.Width * _scale, clippingRectangle.Height * _scale);
    }

    protected override void ResetClip() => _clip = new OxyRect(0, 0, _width, _height);

    (double X, double Y) Pixel(ScreenPoint point) => (point.X * _scale, (point.Y + Top) * _scale);

    /// <summary>A line whose pixels are covered as far as they lie within half its width.</summary>
    void Segment((double X, double Y) from, (double X, double Y) to, OxyColor color, double thickness)
    {
        double half = thickness / 2, dx = to.X - from.X, dy = to.Y - from.Y, squared = (dx * dx) + (dy * dy);
        if (!double.IsFinite(squared))
            return;
        int left = Bound(Math.Min(from.X, to.X) - half - 1, _clip.Left), right = Bound(Math.Max(from.X, to.X) + half + 1, _clip.Right);
        int top = Bound(Math.Min(from.Y, to.Y) - half - 1, _clip.Top), bottom = Bound(Math.Max(from.Y, to.Y) + half + 1, _clip.Bottom);
        for (int y = Math.Max(top, (int)_clip.Top); y < Math.Min(bottom + 1, _clip.Bottom); y++)
        {
            for (int x = Math.Max(left, (int)_clip.Left); x < Math.Min(right + 1, _clip.Right); x++)
            {
                double px = x + 0.5 - from.X, py = y + 0.5 - from.Y;
                double along = squared == 0 ? 0 : Math.Clamp(((px * dx) + (py * dy)) / squared, 0, 1);
                double distance = Math.Sqrt(Square(px - (along * dx)) + Square(py - (along * dy)));
                double covered = half + 0.5 - distance;
                if (covered > 0)
                    Blend(x, y, color, Math.Min(1, covered));
            }
        }
    }

    static double Square(double value) => value * value;

    static int Bound(double value, double otherwise) => double.IsFinite(value) ? (int)Math.Clamp(value, -1e6, 1e6) : (int)otherwise;

    void Fill((double X, double Y)[] corners, OxyColor color)
    {
        int top = (int)Math.Max(_clip.Top, corners.Min(static one => one.Y));
        double bottom = Math.Min(_clip.Bottom, corners.Max(static one => one.Y));
        for (int y = top; y < bottom; y++)
        {
            var crossings = new List<double>();
            for (int i = 0; i < corners.Length; i++)
            {
                var (one, other) = (corners[i], corners[(i + 1) % corners.Length]);
                if ((one.Y <= y + 0.5) != (other.Y <= y + 0.5))
                    crossings.Add(one.X + ((y + 0.5 - one.Y) / (other.Y - one.Y) * (other.X - one.X)));
            }
            crossings.Sort();
            for (int i = 0; i + 1 < crossings.Count; i += 2)
            {
                double right = Math.Min(_clip.Right, Math.Round(crossings[i + 1]));
                for (int x = (int)Math.Max(_clip.Left, Math.Round(crossings[i])); x < right; x++)
                    Blend(x, y, color, 1);
            }
        }
    }

    void Blend(int x, int y, OxyColor color, double covered)
    {
        if (x < 0 || y < 0 || x >= _width || y >= _height)
            return;
        double alpha = covered * color.A / 255;
        int at = ((y * _width) + x) * 3;
        _pixels[at] = Mix(_pixels[at], color.R, alpha);
        _pixels[at + 1] = Mix(_pixels[at + 1], color.G, alpha);
        _pixels[at + 2] = Mix(_pixels[at + 2], color.B, alpha);
    }

    static byte Mix(byte below, byte above, double alpha) => (byte)(below + ((above - below) * alpha) + 0.5);
}
