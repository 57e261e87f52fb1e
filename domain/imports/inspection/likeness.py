"""What the names and the values of columns are likely to mean. All of it is proposed and nothing taken: a name that
means one thing in one shop means another in the next."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

from domain.imports.columns import normalise_header
from domain.imports.dates import ABSENT, find_readings, find_zone, read_zoned
from domain.imports.formats import clean_word
from domain.money import is_currency

NAMES: Mapping[str, str] = {
    "order_id": """
        orderno ordernumber ordernr ordernum orderid order orderref orderreference ordername saleno salenumber
        saleid transactionid transactionno transactionnumber invoicenumber invoiceno invoiceid invoice
        receiptnumber receiptno receiptid receipt ticketnumber ticketno checkid basketid bestellnummer bestellnr
        bestellid bestellung auftragsnummer auftragsnr rechnungsnummer rechnungsnr belegnummer belegnr
        numerodecommande numerocommande nodecommande ndecommande ncommande nocommande idcommande
        referencecommande commande numerofacture facture numerodepedido numeropedido npedido nodepedido idpedido
        pedido numerodeorden orden factura numerodopedido encomenda numerodaencomenda numeroordine numerodordine
        idordine nordine ordine fattura bestelnummer bestelling factuurnummer bonnummer 订单号 订单编号 订单
        单号 交易号 رقمالطلب رقمالطلبية الطلب رقمالفاتورة ඇණවුම්අංකය ඇණවුම බිල්පත්අංකය 注文番号 id номерзаказа
        заказ""",
    "purchase_date": """
        purchasedat saledate orderdate orderedat createdat datecreated created dateofpurchase dateofsale
        datetime ordertime transactiondate transactiontime invoicedate paidat paiddate paymentdate receiptdate
        soldat timestamp date day bestelldatum kaufdatum auftragsdatum rechnungsdatum belegdatum verkaufsdatum
        datum datedecommande datecommande datedachat dateachat datedevente fechadecompra fechadepedido
        fechapedido fechadeventa fecha datadacompra datadopedido datadecompra datadavenda data datadellordine
        dataordine datadiacquisto dataacquisto besteldatum aankoopdatum factuurdatum 下单时间 下单日期 订单日期
        订单时间 日期 时间 تاريخالطلب تاريخالشراء التاريخ تاريخ ඇණවුම්දිනය දිනය 注文日 日付 датазаказа дата""",
    "amount": """
        grandtotal ordertotal totalamount totalpaid totalprice total amountpaid amount ordervalue ordersum
        linetotal netamount nettotal totalcollected grossamount grosssales netsales sales revenue turnover paid sum
        value subtotal
        gesamtbetrag gesamtsumme gesamtpreis endsumme rechnungsbetrag bruttobetrag betrag summe umsatz gesamt
        totalttc montanttotal montantttc montant prixtotal importetotal importe montototal monto preciototal
        valortotal valordopedido valor precototal importototale importo totale prezzototale totaalbedrag totaal
        bedrag totaalprijs omzet 总金额 订单金额 金额 总价 合计 总计 实付金额 المبلغالإجمالي المبلغ الإجمالي
        المجموع القيمة මුළුමුදල මුදල එකතුව 合計 金額 сумма итого""",
    "customer_id": """
        customerid customernumber customerno customernr customercode custid custno buyerid buyeruserid clientid
        clientno clientnumber userid memberid memberno membernumber membershipid accountid accountnumber
        loyaltyid cardnumber buyeremail customeremail clientemail useremail billingemail contactemail
        emailaddress email mail buyerusername username buyer customer client member kundennummer kundennr
        kundenid kunde kaufer besteller emailadresse numeroclient numerodeclient idclient nclient codeclient
        acheteur courriel adresseemail idcliente numerodecliente numerocliente ncliente codigocliente cliente
        comprador correo correoelectronico codicecliente acquirente compratore indirizzoemail klantnummer
        klantid klantnr klant koper emailadres 客户编号 客户id 客户号 客户 顾客 会员号 会员 买家 用户id 用户
        رقمالعميل معرفالعميل العميل الزبون البريدالإلكتروني ගනුදෙනුකරුඅංකය පාරිභෝගිකඅංකය ගනුදෙනුකරු පාරිභෝගිකයා
        විද්‍යුත්තැපෑල 顧客番号 顧客 клиент покупатель buyername customername clientname fullname name""",
    "status": """
        status orderstatus paymentstatus financialstatus orderstate paymentstate bestellstatus zahlungsstatus
        auftragsstatus statutdecommande statutcommande statut etat estadodelpedido estadopedido estado situacao
        statodellordine statoordine stato statusbestelling orderstatut 订单状态 状态 付款状态 حالةالطلب الحالة
        තත්ත්වය ඇණවුම්තත්ත්වය 状態 статус""",
    "quantity": """
        quantity qty quantityordered itemquantity units pieces menge anzahl stuckzahl stuck quantite qte nombre
        cantidad cant unidades quantidade qtd qtde quantita qta aantal hoeveelheid 数量 件数 الكمية كمية
        ප්‍රමාණය количество""",
    "unit_price": """
        unitprice priceperunit priceeach itemprice priceperitem price einzelpreis stuckpreis preis prixunitaire
        prix pu preciounitario precio precounitario preco prezzounitario prezzo stuksprijs prijsperstuk prijs
        单价 价格 سعرالوحدة السعر ඒකකමිල මිල 単価 цена""",
    "refunded": """
        refunded refundamount amountrefunded refundedamount refundedtotal totalrefunded refund ruckerstattung
        erstattung erstattet montantrembourse remboursement reembolso reembolsado rimborso rimborsato
        terugbetaling terugbetaald 退款金额 退款 المبلغالمسترد""",
    "currency": """
        currency currencycode curr wahrung wahrungscode devise moneda moeda valuta munt 货币 币种 العملة
        මුදල්ඒකකය валюта""",
    "product": """
        product productname productitle item itemname itemdescription productdescription description title
        lineitemname artikel artikelname artikelbezeichnung produkt produktname bezeichnung produit nomduproduit
        article designation producto nombredelproducto articulo descripcion produto nomedoproduto descricao
        prodotto nomeprodotto articolo descrizione productnaam omschrijving 商品名称 商品 产品名称 产品 المنتج
        اسمالمنتج නිෂ්පාදනය භාණ්ඩය 商品名 товар""",
    "sku": """
        sku itemsku productsku lineitemsku productid productcode itemcode itemid stockcode articlenumber
        artikelnummer artikelnr referenceproduit codigoproducto codigoproduto codiceprodotto artikelcode asin
        upc ean 商品编号 货号""",
    "category": """
        category productcategory itemcategory department productgroup producttype productline kategorie
        warengruppe categorie rayon categoria reparto productgroep 类别 分类 品类 الفئة التصنيف කාණ්ඩය カテゴリ
        категория""",
    "storefront": """
        storefront store storename storeid shop shopname branch outlet location filiale laden geschaft magasin
        boutique tienda sucursal loja negozio punto puntovendita winkel filiaal 门店 店铺 المتجر الفرع වෙළඳසැල""",
    "channel": """
        channel saleschannel orderchannel source ordersource kanal vertriebskanal verkaufskanal canal
        canaldevente canaldeventa canaldevenda canale canaledivendita kanaal verkoopkanaal 渠道 القناة නාලිකාව""",
    "purchase_time": "time saletime uhrzeit zeit heure hora ora tijd tijdstip الوقت වේලාව",
    "time_zone": "timezone tz zone zeitzone fuseauhoraire zonahoraria fusohorario fusoorario tijdzone 时区",
    "discount": """
        discount discountamount totaldiscount discounts rabatt nachlass remise reduction descuento desconto
        sconto korting 折扣 优惠 الخصم වට්ටම""",
    "tax": """
        tax taxes taxamount totaltax salestax vat vatamount gst mwst ust tva iva impuesto imposto btw 税 税额
        الضريبة බදු""",
    "shipping": """
        shipping shippingcost shippingfee shippingamount freight delivery deliveryfee postage versand
        versandkosten fraisdeport livraison envio gastosdeenvio frete spedizione verzendkosten 运费 الشحن""",
    "tip": "tip tips gratuity trinkgeld pourboire propina gorjeta mancia fooi 小费",
    "fee": "fee fees transactionfee processingfee paymentfee commission gebuhr gebuhren frais comision taxa 手续费",
}
"""Fields, and names that columns of them have: English, German, French, Spanish, Portuguese, Italian, Dutch, Chinese,
Arabic, Sinhala, Japanese and Russian, as `simplify` writes them, the likelier first."""
LIKELY: Mapping[str, Mapping[str, int]] = {
    of: {name: rank for rank, name in enumerate(names.split())} for of, names in NAMES.items()
}
WORDS: Mapping[str, str] = {
    "COMPLETED": """
        complete completed closed processing processed shipped delivered succeeded success successful paid
        captured settled fulfilled finished done approved confirmed partially_refunded partially_shipped sold
        picked_up abgeschlossen bezahlt versendet versandt geliefert erledigt payee paye terminee termine
        expediee expedie livree livre completado completada pagado pagada enviado enviada entregado entregada
        pago paga concluido concluida entregue completato completata pagato pagata spedito spedita consegnato
        consegnata voltooid betaald verzonden geleverd afgerond 已完成 已付款 已支付 已发货 已签收 交易成功
        مكتمل مدفوع تمالتسليم تم_التسليم تم_الشحن සම්පූර්ණයි ගෙවා_ඇත 完了 выполнен оплачен доставлен""",
    "PARTIAL": """
        partial partially_paid part_paid teilweise_bezahlt partiellement_paye parcialmente_pagado deels_betaald""",
    "PENDING": """
        pending on_hold open new created draft unpaid awaiting_payment awaiting_fulfillment awaiting_shipment
        unshipped authorized payment_review pending_payment pending_fulfillment in_progress holded offen
        ausstehend in_bearbeitung en_attente en_cours pendiente en_proceso pendente em_aberto aguardando
        in_attesa in_corso in_afwachting in_behandeling openstaand 待付款 待支付 待发货 处理中 قيدالانتظار
        قيد_الانتظار معلق පොරොත්තුවේ 未処理 в_обработке""",
    "REFUNDED": """
        refunded refund returned return chargeback charged_back reversed fully_refunded erstattet ruckerstattet
        retourniert remboursee rembourse retournee reembolsado reembolsada devuelto devolvido rimborsato
        rimborsata reso terugbetaald geretourneerd 已退款 退款 退货 مسترد مسترجع 返金済み возвращен""",
    "CANCELLED": """
        cancelled canceled cancel voided void failed expired declined rejected abandoned storniert abgebrochen
        fehlgeschlagen annulee annule echouee anulado anulada cancelado cancelada fallido falhou annullato
        annullata fallito geannuleerd mislukt 已取消 已关闭 交易关闭 失败 ملغي ملغى ملغاة අවලංගුයි キャンセル
        отменен""",
}
MONEY = re.compile(r"[(+-]{0,2}[^\d\s()+-]{0,5}\s?[-+]?\d[\d.,' \u00a0\u202f\u2009]*\s?[^\d\s()+-]{0,5}\)?-?")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
QUANTITY = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
DATE = re.compile(
    r"\d{1,4}([/.-])\d{1,2}\1\d|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b.*\d{2}|"
    r"\d.*\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
    re.IGNORECASE,
)
"""What may be a date: whether it is one takes a hundred times as long to tell."""
CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?(?: ?[AaPp][Mm])?")
UTC = ZoneInfo("UTC")
LOOKED_AT = 500
"""Values of a column by which it is judged, spread over them."""
MOSTLY = 0.6
"""The share of values from which on a column holds such."""
MONEY_NAME = re.compile("total|amount|paid|sales|revenue|gross|net|betrag|summe|montant|importe|valor|importo|bedrag")
"""What names of columns hold that may be an amount beside the likeliest."""
BEFORE_PARTS = re.compile("gross|sub|brutto|before")
"""What names of amounts hold from which discounts are still to be taken."""
LESS_LIKELY = re.compile("fulfil|ship|deliver|versand|liefer|envio|entrega|spedizione|livraison|verzend|item|line")
"""What names of statuses hold that are not those of the payment."""
TOTALS = frozenset(
    {"total", "totals", "grandtotal", "sum", "summe", "gesamt", "gesamtsumme", "totale", "totaal", "somme", "suma"}
)
"""How rows of totals begin."""
LONGEST_TOTAL = 20


def simplify(name: str) -> str:
    """A name without letter case, accents, blanks and signs."""
    folded = unicodedata.normalize("NFKD", normalise_header(name).casefold())
    if folded.isascii():
        return re.sub(r"[^a-z0-9]", "", folded)
    return "".join(one for one in folded if one.isalnum() or unicodedata.category(one) in ("Mc", "Cf"))


SIMPLE: Mapping[str, Mapping[str, int]] = {
    of: {simplify(name): rank for name, rank in list(names.items())[::-1]} for of, names in LIKELY.items()
}


def simplify_word(word: str) -> str:
    """A status word without letter case and accents."""
    folded = unicodedata.normalize("NFKD", clean_word(word).removeprefix("wc_"))
    return "".join(one for one in folded if not unicodedata.combining(one))


MEANT: Mapping[str, str] = {simplify_word(word): status for status, words in WORDS.items() for word in words.split()}
"""What a word of a status column is likely to mean."""


def rank_name(name: str, of: str) -> int | None:
    """How far down a name stands among those of a field, None where it is none of them."""
    simple = simplify(name)
    known = SIMPLE[of]
    if simple in known:
        return known[simple]
    # Such as "Total (EUR)" and "Amount, net": what stands before the first sign.
    first = simplify(re.split(r"[(\[,:/]", name)[0])
    return known[first] + len(known) if first and first in known else None


def guess_status(word: str) -> str | None:
    """The status that a word is likely to mean, None where nobody knows."""
    return MEANT.get(simplify_word(word))


def is_likely_status(name: str) -> bool:
    """Whether a column of this name is likely to hold statuses, in any of the languages."""
    return rank_name(name, "status") is not None or simplify(name).endswith("status")


def is_totals_row(cells: Sequence[str]) -> bool:
    """Whether the row is one of totals, by its first text."""
    first = next((cell for cell in cells if cell.strip()), "")
    # Every row of a file is looked at.
    return len(first) <= LONGEST_TOTAL and not any(map(str.isdigit, first)) and simplify(first) in TOTALS


def holds_dates(values: Sequence[str]) -> bool:
    """Whether most values are dates, in some form other than a bare number."""
    return _are_most(values, _is_date)


def holds_numbers(values: Sequence[str]) -> bool:
    return _are_most(values, lambda text: MONEY.fullmatch(text) is not None)


def holds_quantities(values: Sequence[str]) -> bool:
    """Whether most values are bare numbers."""
    return _are_most(values, lambda text: QUANTITY.fullmatch(text) is not None)


def holds_decimals(values: Sequence[str]) -> bool:
    """Whether most values are numbers, and some of them have decimals."""
    return holds_numbers(values) and any(re.search(r"\d[.,]\d{1,2}\D{0,5}$", text) for text in values)


def holds_emails(values: Sequence[str]) -> bool:
    return _are_most(values, lambda text: EMAIL.fullmatch(text) is not None)


def holds_currencies(values: Sequence[str]) -> bool:
    return _are_most(values, lambda text: is_currency(text.upper()))


def holds_zones(values: Sequence[str]) -> bool:
    return _are_most(values, lambda text: find_zone(text) is not None)


def holds_clocks(values: Sequence[str]) -> bool:
    """Whether most values are times of a day."""
    return _are_most(values, lambda text: CLOCK.fullmatch(text) is not None)


def _is_date(text: str) -> bool:
    if DATE.search(text) is None:
        return False
    try:
        read_zoned(text, UTC)
    except ValueError:
        return bool(find_readings(text))
    return True


def _are_most(values: Sequence[str], test: Callable[[str], bool]) -> bool:
    every = max(1, len(values) // LOOKED_AT)
    said = [text.strip() for text in values[::every] if text.strip().lower() not in ABSENT]
    return bool(said) and sum(map(test, said)) >= MOSTLY * len(said)
