"""The export shapes that are known without being told: a sample of each, with rows of our own, is read at the first
try, and what every order comes to was computed by hand. It is
long because every shape has its rows here."""

import csv
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest

from domain.calendar import from_micros
from domain.errors import InvalidInput
from domain.imports.formats import SourceFormat
from domain.imports.presets import CUSTOMERS, load_presets, match_preset
from domain.model import STATUS_ORDER
from persistence.sources.opening import open_purchases
from tests.cli.conftest import MAKE, UTC_EUR, Segments, write_lines
from tests.drivers.opened_sources import shop

ORDERS = """
SELECT purchase.external_id, customer.external_id, status, purchase.amount, purchased_at FROM purchase
JOIN customer ON customer.id = purchase.customer_id ORDER BY purchase.purchased_at, customer.external_id
"""

PROFILES = """
SELECT external_id, name, phone, city, country FROM customer
WHERE name IS NOT NULL OR phone IS NOT NULL OR city IS NOT NULL OR country IS NOT NULL ORDER BY external_id
"""
SAID = {
    "shopify": [("+15550001", "Cy Oh", None, None, None), ("ada@x.test", "Ada Li", None, "Salem", "US")],
    "woocommerce": [("ada@x.test", "Ada Li", "+49711", "Ulm", "DE"), ("ben@x.test", "Ben", None, None, None)],
    "woocommerce-advanced": [("ada@x.test", "Ada", None, None, None), ("ben@x.test", "Ben", None, None, None)],
    "magento": [("ada@x.test", "A L", None, None, None), ("ben@x.test", "B Y", None, None, None)],
    "bigcommerce": [("ada@x.test", "Ada", None, None, None), ("ben@x.test", "Ben", None, None, None)],
    "square-transactions": [("CA", "Ada", None, None, None), ("CB", "Ben", None, None, None)],
    "square-items": [("CA", "Ada", None, None, None)],
    "etsy": [
        ("ada", "Ada Li", None, None, None),
        ("ben", "Ben Yu", None, None, None),
        ("guest:9003", "Cy Oh", None, None, None),
    ],
    "toast": [("ben@x.test", "Ben", None, None, None), ("c1", "Ada", None, None, None)],
    "superstore": [("CG-1", "Ada", None, None, None)],
    "amazon-order-report": [("a@m.test", "Ada", None, None, None)],
}
"""What the samples say of their customers: id, name, phone, city, country."""
REASONS = "SELECT reason FROM import_reject ORDER BY line"
MADE = "made:"
"""What begins the id of an order of a file that has no order ids."""


@dataclass(frozen=True)
class Sample:
    """A file of a shape, and what its orders are: id, customer, status, amount in major units."""

    text: str
    orders: Sequence[tuple[str, str, str, str]]
    rejected: Sequence[str] = ()
    currency: str = "USD"
    time_zone: str = "UTC"
    instants: Sequence[str] = ()
    encoding: str = "utf-8"
    separator: str = ","

    @property
    def header(self) -> list[str]:
        return next(csv.reader(self.text.strip().splitlines(), delimiter=self.separator))


SAMPLES = {
    "shopify": Sample(
        """
Name,Email,Financial Status,Paid at,Fulfillment Status,Currency,Subtotal,Shipping,Taxes,Total,Created at,\
Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Lineitem fulfillment status,Cancelled at,Refunded Amount,\
Location,Phone,Source,Billing Name,Billing City,Billing Country
#1,Ada@x.test,paid,2024-03-01 10:00:00 -0500,fulfilled,USD,30.00,5.00,2.50,37.50,2024-03-01 10:00:00 -0500,\
2,Tea,10.00,T-1,fulfilled,,0.00,,,web,Ada Li,Boston,US
#1,Ada@x.test,,,,,,,,,2024-03-01 10:00:00 -0500,1,Cup,10.00,C-1,fulfilled,,,,,,,,
#2,ada@x.test,partially_refunded,,fulfilled,USD,20.00,0.00,0.00,20.00,2024-03-02 10:00:00 -0500,\
1,Tea,20.00,T-1,fulfilled,,5.25,,,web,Ada Li,Salem,US
#3,,refunded,,,USD,9.00,0.00,0.00,9.00,2024-03-03 10:00:00 -0500,1,Tea,9.00,T-1,,,9.00,,+15550001,pos,Cy Oh,,
#4,ben@x.test,paid,,,USD,8.00,0.00,0.00,8.00,2024-03-04 10:00:00 -0500,\
1,Tea,8.00,T-1,,2024-03-05 10:00:00 -0500,0.00,,,web,,,
""",
        [
            ("#1", "ada@x.test", "COMPLETED", "37.50"),
            ("#2", "ada@x.test", "COMPLETED", "14.75"),
            ("#3", "+15550001", "REFUNDED", "9.00"),
            ("#4", "ben@x.test", "CANCELLED", "8.00"),
        ],
        instants=["2024-03-01T15:00:00"],
    ),
    "woocommerce": Sample(
        """
order_id,order_number,order_number_formatted,date,status,shipping_total,tax_total,discount_total,order_total,\
refunded_total,order_currency,payment_method,customer_id,billing_first_name,billing_last_name,billing_phone,billing_city,billing_country,billing_email,\
billing_state,line_items,refunds
7,1007,1007,2024-03-01 10:00:00,completed,5.00,2.00,0.00,27.00,-7.00,EUR,cod,31,Ada,Li,+49711,Ulm,DE,ada@x.test,\
BY,name:Tea,
8,1008,1008,2024-03-02 10:00:00,wc-processing,0.00,0.00,0.00,10.00,0.00,EUR,cod,0,,,,,,,BY,name:Tea,
9,1009,1009,2024-03-03 10:00:00,on-hold,0.00,0.00,0.00,11.00,0.00,EUR,cod,32,Ben,,,,,ben@x.test,BY,name:Tea,
10,1010,1010,2024-03-04 10:00:00,refunded,0.00,0.00,0.00,12.00,12.00,EUR,cod,32,Ben,,,,,ben@x.test,BY,name:Tea,
11,1011,1011,2024-03-05 10:00:00,cancelled,0.00,0.00,0.00,13.00,0.00,EUR,cod,32,Ben,,,,,ben@x.test,BY,name:Tea,
""",
        [
            ("1007", "ada@x.test", "COMPLETED", "20.00"),
            ("1009", "ben@x.test", "PENDING", "11.00"),
            ("1010", "ben@x.test", "REFUNDED", "12.00"),
            ("1011", "ben@x.test", "CANCELLED", "13.00"),
        ],
        rejected=["no customer"],
        currency="EUR",
    ),
    "woocommerce-advanced": Sample(
        """
"Order Number","Order Status","Order Date","First Name (Billing)","State Code (Billing)","Email (Billing)",\
"Order Refund Amount","Order Total Amount","SKU","Item #","Item Name","Quantity (- Refund)","Item Cost"
501,Completed,"2024-03-01 10:30",Ada,BY,ada@x.test,2.50,30.00,T-1,1,Tea,2,10.00
501,Completed,"2024-03-01 10:30",Ada,BY,ada@x.test,2.50,30.00,C-1,2,Cup,1,10.00
502,"On hold","2024-03-02 10:30",Ben,BY,ben@x.test,0,9.00,T-1,1,Tea,1,9.00
503,Refunded,"2024-03-03 10:30",Ben,BY,ben@x.test,8.00,8.00,T-1,1,Tea,0,8.00
504,Cancelled,"2024-03-04 10:30",Ben,BY,ben@x.test,0,7.00,T-1,1,Tea,1,7.00
""",
        [
            ("501", "ada@x.test", "COMPLETED", "27.50"),
            ("502", "ben@x.test", "PENDING", "9.00"),
            ("503", "ben@x.test", "REFUNDED", "8.00"),
            ("504", "ben@x.test", "CANCELLED", "7.00"),
        ],
    ),
    "woocommerce-analytics": Sample(
        """
Date,"Order #","N. Revenue (formatted)",Status,Customer,"Customer type",Product(s),"Items sold",Coupon(s),"Net Sales",\
Attribution
"2024-03-01 10:00:00",7,"$1,250.00",completed,"Ada Li",new,"2× Tea",2,,1200,Direct
"2024-03-05 10:00:00",7,"$1,250.00",completed,"Ada Li",new,"1× Tea",-1,,-200.5,Direct
"2024-03-06 10:00:00",8,$10.00,cancelled,"Ben Yu",new,"1× Tea",1,,9.5,Direct
""",
        [("7", "Ada Li", "COMPLETED", "999.50"), ("8", "Ben Yu", "CANCELLED", "9.50")],
    ),
    "magento": Sample(
        """
ID,"Purchase Point","Purchase Date","Bill-to Name","Ship-to Name","Grand Total (Base)","Grand Total (Purchased)",\
Status,"Shipping Information","Customer Email","Customer Group",Subtotal,"Payment Method","Total Refunded"
"000000001",Main,"Mar 1, 2024, 1:30:12 PM","A L","A L","$1,059.00","$1,059.00",Complete,Flat,ada@x.test,General,\
"$1,000.00",cc,$59.00
"000000002",Main,"Mar 2, 2024 09:30:12 AM","A L","A L",$20.00,$20.00,Processing,Flat,ada@x.test,General,$20.00,cc,
"000000003",Main,"Mar 3, 2024, 1:30:12 PM","B Y","B Y",$30.00,$30.00,Closed,Flat,ben@x.test,General,$30.00,cc,$30.00
"000000004",Main,"Mar 4, 2024, 1:30:12 PM","B Y","B Y",$40.00,$40.00,Canceled,Flat,ben@x.test,General,$40.00,cc,$0.00
"000000005",Main,"Mar 5, 2024, 1:30:12 PM","B Y","B Y",$54.30,€50.00,Complete,Flat,ben@x.test,General,€50.00,cc,
""",
        [
            ("000000001", "ada@x.test", "COMPLETED", "1000.00"),
            ("000000002", "ada@x.test", "COMPLETED", "20.00"),
            ("000000003", "ben@x.test", "REFUNDED", "30.00"),
            ("000000004", "ben@x.test", "CANCELLED", "40.00"),
            ("000000005", "ben@x.test", "COMPLETED", "54.30"),
        ],
        instants=["2024-03-01T13:30:12", "2024-03-02T09:30:12"],
    ),
    "prestashop": Sample(
        """
ID;Reference;"New client";Delivery;Customer;Total;Payment;Status;Date
7;XKBKNABJK;1;France;"A. LI";"€1,061.80";"Bank transfer";"Payment accepted";"2024-03-01 10:00:00"
8;OHSATSERP;0;France;"B. YU";€69.90;Cheque;"Awaiting check payment";"2024-03-02 10:00:00"
9;UOYEVOLI;0;France;"B. YU";€14.90;Cheque;Refunded;"2024-03-03 10:00:00"
10;FFATNOMMJ;0;France;"B. YU";€14.90;Cheque;Canceled;"2024-03-04 10:00:00"
""",
        [
            ("7", "A. LI", "COMPLETED", "1061.80"),
            ("8", "B. YU", "PENDING", "69.90"),
            ("9", "B. YU", "REFUNDED", "14.90"),
            ("10", "B. YU", "CANCELLED", "14.90"),
        ],
        currency="EUR",
        separator=";",
    ),
    "bigcommerce": Sample(
        """
"Order ID","Customer ID","Customer Name","Customer Email","Order Date","Order Status","Subtotal (inc tax)",\
"Subtotal (ex tax)","Tax Total","Shipping Cost (inc tax)","Order Total (inc tax)","Order Total (ex tax)",\
"Order Currency Code","Billing State","Refund Amount"
100,5,Ada,ada@x.test,2024-03-01,Completed,108.00,100.00,8.40,5.40,113.40,105.00,USD,NV,10.40
101,0,Ben,ben@x.test,2024-03-02,Awaiting Payment,20.00,20.00,0.00,0.00,20.00,20.00,USD,NV,0.00
102,0,Ben,ben@x.test,2024-03-03,Refunded,21.00,21.00,0.00,0.00,21.00,21.00,USD,NV,21.00
103,0,Ben,ben@x.test,2024-03-04,Cancelled,22.00,22.00,0.00,0.00,22.00,22.00,USD,NV,0.00
""",
        [
            ("100", "ada@x.test", "COMPLETED", "103.00"),
            ("101", "ben@x.test", "PENDING", "20.00"),
            ("102", "ben@x.test", "REFUNDED", "21.00"),
            ("103", "ben@x.test", "CANCELLED", "22.00"),
        ],
    ),
    "bigcommerce-ex-tax": Sample(
        """
"Order ID","Customer ID","Customer Email","Order Date","Order Status","Tax Total","Order Total (ex tax)","Refund Amount"
100,5,ada@x.test,2024-03-01,Shipped,8.40,105.00,10.40
101,6,ben@x.test,2024-03-02,Cancelled,1.60,20.00,0.00
""",
        [("100", "ada@x.test", "COMPLETED", "103.00"), ("101", "ben@x.test", "CANCELLED", "21.60")],
    ),
    "square-transactions": Sample(
        """
Date,Time,Time Zone,Gross Sales,Discounts,Service Charges,Net Sales,Gift Card Sales,Tax,Tip,Partial Refunds,\
Total Collected,Source,Card,Fees,Net Total,Transaction ID,Payment ID,Event Type,Location,Customer ID,Customer Name,\
Refund Reason,Transaction Status
2024-03-01,22:30:00,Eastern Time (US & Canada),"$1,000.00",-$10.00,$0.00,$990.00,$0.00,$79.20,$50.00,$0.00,\
"$1,119.20",Point of Sale,"$1,119.20",-$30.00,"$1,089.20",TA,PA,Payment,Market,CA,Ada,,Complete
2024-03-02,10:00:00,Pacific Time (US & Canada),$12.00,$0.00,$0.00,$12.00,$0.00,$0.96,$0.00,$0.00,$12.96,\
Point of Sale,$12.96,-$0.46,$12.50,TB,PB,Payment,Market,CB,Ben,,Complete
2024-03-03,09:00:00,Pacific Time (US & Canada),-$12.00,$0.00,$0.00,-$12.00,$0.00,-$0.96,$0.00,$0.00,-$12.96,\
Point of Sale,-$12.96,$0.00,-$12.96,TB,PC,Refund,Market,CB,Ben,Broken,Complete
2024-03-04,09:00:00,Pacific Time (US & Canada),-$5.00,$0.00,$0.00,-$5.00,$0.00,$0.00,$0.00,$0.00,-$5.00,\
Point of Sale,-$5.00,$0.00,-$5.00,TC,PD,Refund,Market,CA,Ada,Late,Complete
2024-03-05,09:00:00,Pacific Time (US & Canada),$4.00,$0.00,$0.00,$4.00,$0.00,$0.00,$0.00,$0.00,$4.00,\
Point of Sale,$4.00,$0.00,$4.00,TD,PE,Payment,Market,,,,Complete
""",
        [("TA", "CA", "COMPLETED", "1069.20"), ("TB", "CB", "COMPLETED", "0.00")],
        rejected=["a negative amount without a positive row in its order", "no customer"],
        instants=["2024-03-02T03:30:00", "2024-03-02T18:00:00"],
    ),
    "square-items": Sample(
        """
Date,Time,Time Zone,Category,Item,Qty,Price Point Name,SKU,Modifiers Applied,Gross Sales,Discounts,Net Sales,Tax,\
Transaction ID,Payment ID,Device Name,Notes,Details,Event Type,Location,Dining Option,Customer ID,Customer Name,\
Customer Reference ID,Unit,Count
2024-03-01,10:15:00,Central Time (US & Canada),Hot,Tea,2.0,Regular,T-1,,$20.00,-$2.00,$18.00,$1.44,TA,PA,iPad,,,\
Payment,Main,,CA,Ada,,ea,2
2024-03-01,10:15:00,Central Time (US & Canada),Ware,Cup,1.0,Regular,C-1,,$5.00,$0.00,$5.00,$0.40,TA,PA,iPad,,,\
Payment,Main,,CA,Ada,,ea,1
2024-03-02,10:15:00,Central Time (US & Canada),Ware,Cup,-1.0,Regular,C-1,,-$5.00,$0.00,-$5.00,-$0.40,TA,PB,iPad,,,\
Refund,Main,,CA,Ada,,ea,-1
""",
        [("TA", "CA", "COMPLETED", "19.44")],
        instants=["2024-03-01T16:15:00"],
    ),
    "stripe": Sample(
        """
id,Description,Created date (UTC),Amount,Amount Refunded,Currency,Captured,Converted Amount,Converted Amount Refunded,\
Converted Currency,Fee,Status,Customer ID,Customer Email,Card AVS Zip Status,Dispute Status
ch_1,Order,2024-03-01 23:30:00,"1,200.00",200.00,usd,true,"1,200.00",200.00,usd,30.00,Paid,cus_1,ada@x.test,pass,
ch_2,Order,2024-03-02 10:00:00,50.00,0.00,eur,true,54.30,0.00,usd,1.50,Paid,cus_2,ben@x.test,pass,
ch_3,Order,2024-03-03 10:00:00,20.00,0.00,usd,false,20.00,0.00,usd,0.00,Paid,cus_2,ben@x.test,pass,
ch_4,Order,2024-03-04 10:00:00,21.00,21.00,usd,true,21.00,21.00,usd,0.90,Refunded,cus_2,ben@x.test,pass,
ch_5,Order,2024-03-05 10:00:00,22.00,0.00,usd,true,,,,0.00,Failed,cus_2,ben@x.test,fail,
ch_6,Order,2024-03-06 10:00:00,23.00,0.00,usd,true,23.00,0.00,usd,0.90,Paid,cus_2,ben@x.test,pass,lost
ch_7,Order,2024-03-07 10:00:00,24.00,0.00,gbp,true,28.00,0.00,eur,0.90,Paid,cus_2,ben@x.test,pass,
""",
        [
            ("ch_1", "ada@x.test", "COMPLETED", "1000.00"),
            ("ch_2", "ben@x.test", "COMPLETED", "54.30"),
            ("ch_3", "ben@x.test", "PENDING", "20.00"),
            ("ch_4", "ben@x.test", "REFUNDED", "21.00"),
            ("ch_5", "ben@x.test", "CANCELLED", "22.00"),
            ("ch_6", "ben@x.test", "REFUNDED", "23.00"),
        ],
        rejected=["the currency is GBP, the business's is USD"],
        time_zone="Asia/Colombo",
        instants=["2024-03-01T23:30:00"],
    ),
    "etsy": Sample(
        """
Sale Date,Order ID,Buyer User ID,Full Name,Number of Items,Ship State,Currency,Order Value,Discount Amount,Shipping,\
Sales Tax,Order Total,Status,Card Processing Fees,Order Net,Adjusted Order Total,Adjusted Net Order Amount,Buyer,\
Item Name,Quantity,SKU
03/01/24,9001,ada,Ada Li,3,BC,USD,30.00,3.00,8.00,2.00,37.00,Completed,1.50,35.50,0.00,0.00,Ada Li,Tea,2,T-1
03/01/24,9001,ada,Ada Li,3,BC,USD,30.00,3.00,8.00,2.00,37.00,Completed,1.50,35.50,0.00,0.00,Ada Li,Cup,1,C-1
03/02/24,9002,ben,Ben Yu,1,BC,USD,20.00,0.00,0.00,0.00,20.00,Paid,1.00,19.00,15.50,14.50,Ben Yu,Tea,1,T-1
03/03/24,9003,,Cy Oh,1,BC,USD,9.00,0.00,0.00,0.00,9.00,Paid,1.00,8.00,0.00,0.00,Cy Oh,Tea,1,T-1
03/04/24,9004,ben,Ben Yu,1,BC,USD,8.00,0.00,0.00,0.00,8.00,Canceled,1.00,7.00,0.00,0.00,Ben Yu,Tea,1,T-1
""",
        [
            ("9001", "ada", "COMPLETED", "37.00"),
            ("9002", "ben", "COMPLETED", "15.50"),
            ("9003", "guest:9003", "COMPLETED", "9.00"),
            ("9004", "ben", "CANCELLED", "8.00"),
        ],
        instants=["2024-03-01T00:00:00"],
    ),
    "ebay": Sample(
        """

"Sales Record Number","Order Number","Buyer Username","Buyer State","Item Number","Item Title","Custom Label",\
"Quantity","Sold For","Shipping And Handling","Total Price","Sale Date","Paid On Date"

"112","24-1","ada","NV","31","Tea","T-1","1","$900.00","$5.97","$905.97","Jul-25-26","Jul-25-26"
"113","24-2","ben","NV","","","","2","$28.00","$2.00","$1,029.55","Jul-26-26","Jul-26-26"
"113","24-2","ben","NV","32","Tea","T-1","1","$14.00","","","Jul-26-26","Jul-26-26"
"113","24-2","ben","NV","33","Cup","C-1","1","$14.00","","","Jul-26-26","Jul-26-26"

"2","record(s) downloaded","","","","","","","","","","",""
"Seller ID : shop","","","","","","","","","","","",""
""",
        [("24-1", "ada", "COMPLETED", "905.97"), ("24-2", "ben", "COMPLETED", "1029.55")],
        rejected=["no customer", "no customer"],
    ),
    "amazon": Sample(
        """
amazon-order-id,purchase-date,order-status,sales-channel,product-name,sku,item-status,quantity,currency,item-price,\
item-tax,shipping-price,shipping-tax,gift-wrap-price,item-promotion-discount,ship-promotion-discount,ship-state,buyer-email
111-1,2024-03-01T08:04:21+00:00,Shipped,Amazon.com,Tea,T-1,Shipped,2,USD,20.00,1.60,4.99,0.40,3.00,2.00,4.99,NV,a@m.test
111-1,2024-03-01T08:04:21+00:00,Shipped,Amazon.com,Cup,C-1,Shipped,1,USD,5.00,0.40,,,,,,NV,a@m.test
111-2,2024-03-02T08:04:21+00:00,Cancelled,Amazon.com,Tea,T-1,Cancelled,0,,,,,,,,,NV,b@m.test
111-3,2024-03-03T08:04:21+00:00,Pending,Amazon.com,Tea,T-1,Unshipped,1,USD,10.00,0.80,,,,,,NV,b@m.test
111-4,2024-03-04T08:04:21+00:00,Shipped,Amazon.com,Tea,T-1,Shipped,1,USD,10.00,0.80,,,,,,NV,b@m.test
111-4,2024-03-04T08:04:21+00:00,Shipped,Amazon.com,Cup,C-1,Cancelled,1,USD,5.00,0.40,,,,,,NV,b@m.test
""",
        [
            ("111-1", "a@m.test", "COMPLETED", "28.40"),
            ("111-2", "b@m.test", "CANCELLED", "0.00"),
            ("111-3", "b@m.test", "PENDING", "10.80"),
            ("111-4", "b@m.test", "COMPLETED", "10.80"),
        ],
    ),
    "amazon-order-report": Sample(
        """
order-id,order-item-id,purchase-date,payments-date,buyer-email,buyer-name,sku,product-name,quantity-purchased,currency,\
item-price,shipping-price,ship-state
58-1,1,2024-03-01T08:04:21+00:00,2024-03-01T08:04:21+00:00,a@m.test,Ada,T-1,Tea,2,GBP,349.99,19.99,Kent
58-1,2,2024-03-01T08:04:21+00:00,2024-03-01T08:04:21+00:00,a@m.test,Ada,C-1,Cup,1,GBP,10.00,,Kent
""",
        [("58-1", "a@m.test", "COMPLETED", "379.98")],
        currency="GBP",
    ),
    "loyverse": Sample(
        """
Date,Receipt number,Receipt type,Gross sales,Discounts,Net sales,Taxes,Total collected,Cost of goods,Gross profit,\
Payment type,Description,Dining option,POS,Store,Cashier name,Customer name,Customer contacts,Status
2024-03-01 13:33,4-1,Sale,"1,500.00",50.00,"1,450.00",116.00,"1,566.00",18.35,71.65,Cash,1 x Tea,Dine in,P1,Main,T,Ada,\
ada@x.test,Closed
2024-03-02 12:57,4-2,Sale,200.00,0.00,200.00,0.00,200.00,40.00,160.00,Cash,1 x Cup,Dine in,P1,Main,T,Ben,,Cancelled
2024-03-03 11:46,4-3,Refund,180.00,0.00,-180.00,0.00,-180.00,0.00,-180.00,Cash,1 x Tea,Dine in,P1,Main,T,Ada,\
ada@x.test,Closed
""",
        [("4-1", "ada@x.test", "COMPLETED", "1566.00"), ("4-2", "Ben", "CANCELLED", "200.00")],
        rejected=["a negative amount without a positive row in its order"],
        currency="THB",
    ),
    "toast": Sample(
        """
Customer Id,Customer,Customer Phone,Customer Email,Location Code,Opened Date,Opened Time,Item Description,Server,Tax,\
Tender,Check Id,Check #,Total,Customer Family,Table Size,Discount,Reason of Discount,Link
c1,Ada,555,ada@x.test,,03/04/24,11:05 PM,"Tea, Cup",Cy,4.40,Visa,1300,1,59.40,,2,5.00,Birthday,
,Ben,556,ben@x.test,,03/05/24,12:10 AM,Tea,Cy,0.80,Cash,1301,2,10.80,,1,0.00,,
,,,,,03/05/24,12:20 AM,Tea,Cy,0.80,Cash,1302,3,10.80,,1,0.00,,
""",
        [("1300", "c1", "COMPLETED", "59.40"), ("1301", "ben@x.test", "COMPLETED", "10.80")],
        rejected=["no customer"],
        time_zone="America/New_York",
        instants=["2024-03-05T04:05:00", "2024-03-05T05:10:00"],
    ),
    "odoo-pos": Sample(
        """
"Order Ref","Session","Date","Point of Sale","Receipt Number","Customer","Employee","Total","Status","Invoice Status",\
"Refunded Order"
"Shop/0001","POS/00001","2024-03-01 10:00:00","Shop","Order 1-1","Ada Li","Cy","1150.00","Paid","To Invoice",""
"Shop/0002","POS/00001","2024-03-02 10:00:00","Shop","Order 1-2","Ben Yu","Cy","23.00","Posted","To Invoice",""
"Shop/0003","POS/00001","2024-03-03 10:00:00","Shop","Order 1-3","Ada Li","Cy","-150.00","Paid","To Invoice","Shop/0001"
"Shop/0004","POS/00001","2024-03-04 10:00:00","Shop","Order 1-4","Ben Yu","Cy","5.00","Cancelled","",""
""",
        [
            ("Shop/0001", "Ada Li", "COMPLETED", "1000.00"),
            ("Shop/0002", "Ben Yu", "COMPLETED", "23.00"),
            ("Shop/0004", "Ben Yu", "CANCELLED", "5.00"),
        ],
    ),
    "online-retail": Sample(
        """
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HOLDER,6,12/1/2010 8:26,2.55,17850,United Kingdom
536365,71053,CAFÉ LANTERN,3,12/1/2010 8:26,3.395,17850.0,United Kingdom
C536379,D,Discount,-1,12/1/2010 9:41,27.50,14527,United Kingdom
536414,22139,,56,12/1/2010 11:52,0,,United Kingdom
""",
        [("536365", "17850", "COMPLETED", "25.48")],
        rejected=["a negative amount without a positive row in its order", "no customer"],
        currency="GBP",
        instants=["2010-12-01T08:26:00"],
        encoding="windows-1252",
    ),
    "online-retail-2": Sample(
        """
Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country
489434,85048,GLASS BALL,12,2009-12-01 07:45:00,6.95,13085.0,United Kingdom
489434,79323P,CHERRY LIGHTS,2,2009-12-01 07:45:00,6.75,13085.0,United Kingdom
C489449,22087,PAPER BUNTING,-12,2009-12-01 10:33:00,2.95,16321.0,Australia
""",
        [("489434", "13085", "COMPLETED", "96.90")],
        rejected=["a negative amount without a positive row in its order"],
        currency="GBP",
    ),
    "superstore": Sample(
        """
Row ID,Order ID,Order Date,Ship Date,Ship Mode,Customer ID,Customer Name,Segment,Country,City,State,Postal Code,Region,\
Product ID,Category,Sub-Category,Product Name,Sales,Quantity,Discount,Profit
1,CA-1,11/8/2016,11/11/2016,Second Class,CG-1,Ada,Consumer,United States,Henderson,Kentucky,42420,South,F-1,Furniture,\
Bookcases,Bush\xa0Bookcase,261.96,2,0,41.9136
2,CA-1,11/8/2016,11/11/2016,Second Class,CG-1,Ada,Consumer,United States,Henderson,Kentucky,42420,South,O-1,\
Office Supplies,Labels,Étiquettes,14.6175,2,0.45,6.8714
3,CA-1,11/8/2016,11/11/2016,Second Class,CG-1,Ada,Consumer,United States,Henderson,Kentucky,42420,South,O-2,\
Office Supplies,Storage,Fold 'N Roll,22.365,2,0.2,2.5164
""",
        [("CA-1", "CG-1", "COMPLETED", "298.94")],
        instants=["2016-11-08T00:00:00"],
        encoding="windows-1252",
    ),
    "olist": Sample(
        """
order_id,customer_id,order_status,order_purchase_timestamp,order_delivered_customer_date,customer_unique_id,\
customer_state,order_item_id,product_id,seller_id,price,freight_value,product_category_name,seller_state
o1,c1,delivered,2017-10-02 10:56:33,2017-10-10 21:25:13,u1,SP,1,p1,s1,29.99,8.72,utilidades,SP
o1,c1,delivered,2017-10-02 10:56:33,2017-10-10 21:25:13,u1,SP,2,p2,s1,10.00,1.00,beleza,SP
o2,c2,shipped,2017-11-02 10:56:33,,u1,SP,1,p1,s1,29.99,8.72,utilidades,SP
o3,c3,canceled,2017-12-02 10:56:33,,u2,RJ,1,p1,s1,29.99,8.72,utilidades,SP
o4,c4,created,2017-12-03 10:56:33,,u2,RJ,1,p1,s1,29.99,8.72,utilidades,SP
""",
        [
            ("o1", "u1", "COMPLETED", "49.71"),
            ("o2", "u1", "COMPLETED", "38.71"),
            ("o3", "u2", "CANCELLED", "38.71"),
            ("o4", "u2", "PENDING", "38.71"),
        ],
        currency="BRL",
    ),
    "olist-payments": Sample(
        """
order_id,customer_id,order_status,order_purchase_timestamp,customer_unique_id,payment_sequential,payment_type,payment_value
o1,c1,delivered,2017-10-02 10:56:33,u1,1,voucher,20.00
o1,c1,delivered,2017-10-02 10:56:33,u1,2,credit_card,18.71
o2,c2,unavailable,2017-11-02 10:56:33,u2,1,boleto,38.71
""",
        [("o1", "u1", "COMPLETED", "38.71"), ("o2", "u2", "CANCELLED", "38.71")],
        currency="BRL",
    ),
    "dunnhumby": Sample(
        """
household_id,store_id,basket_id,product_id,quantity,sales_value,retail_disc,coupon_disc,coupon_match_disc,week,\
transaction_timestamp
900,330,31198570044,1095275,1,0.5,0,0,0,1,2017-01-01T11:53:26Z
900,330,31198570044,9878513,1,0.99,0.1,0,0,1,2017-01-01T11:53:26Z
1228,406,31198655051,1041453,2,1.43,0.15,0,0,1,2017-01-01T12:10:28Z
""",
        [("31198570044", "900", "COMPLETED", "1.49"), ("31198655051", "1228", "COMPLETED", "1.43")],
    ),
    "hm": Sample(
        """
t_dat,customer_id,article_id,price,sales_channel_id
2018-09-20,000058a12d,0663713001,0.050830508474576264,2
2018-09-20,000058a12d,0541518023,0.03049152542372881,2
2018-09-21,000058a12d,0663713001,0.050830508474576264,1
2018-09-21,00007d2de8,0505221004,0.015237288135593219,2
""",
        [
            (MADE, "000058a12d", "COMPLETED", "0.08"),
            (MADE, "000058a12d", "COMPLETED", "0.05"),
            (MADE, "00007d2de8", "COMPLETED", "0.02"),
        ],
    ),
    "ta-feng": Sample(
        """
TRANSACTION_DT,CUSTOMER_ID,AGE_GROUP,PIN_CODE,PRODUCT_SUBCLASS,PRODUCT_ID,AMOUNT,ASSET,SALES_PRICE
11/1/2000,01104905,45-49,115,110411,4710199010372,2,24,30
11/1/2000,01104905,45-49,115,130315,4710421090059,1,51,56
11/2/2000,01104905,45-49,115,130315,4710421090059,1,51,56
11/2/2000,00418683,45-49,115,120110,4710265849066,1,180,135
""",
        [
            (MADE, "01104905", "COMPLETED", "86.00"),
            (MADE, "00418683", "COMPLETED", "135.00"),
            (MADE, "01104905", "COMPLETED", "56.00"),
        ],
        currency="TWD",
        instants=["2000-11-01T00:00:00"],
    ),
}


REFUSED = {
    "amazon-order-id,merchant-order-id,purchase-date,last-updated-date,order-status,sku,quantity,currency,item-price": (
        "This is an Amazon report without buyers. Nothing in it says who bought: use Amazon Fulfilled Shipments or the "
        "Order Report, which have buyer-email."
    ),
    "Location,Order Id,Order #,Checks,Opened,# of Guests,Tab Names,Server,Amount,Tax,Tip,Total,Voided,Paid,Closed": (
        "This is Toast's OrderDetails. Nothing in it says who bought: use CheckDetails.csv of the same export."
    ),
    "Location,Order Id,Order #,Sent Date,Order Date,Check Id,Item Selection Id,Item Id,Menu Item,Net Price,Qty,Void?": (
        "This is Toast's ItemSelectionDetails. Nothing in it says who bought: use CheckDetails.csv of the same export."
    ),
    "order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order": (
        "This is the data set Instacart. Its orders have neither dates nor amounts, and none of its files has: use a "
        "data set with both, such as Olist."
    ),
    "household_key,BASKET_ID,DAY,PRODUCT_ID,QUANTITY,SALES_VALUE,STORE_ID,RETAIL_DISC,TRANS_TIME,WEEK_NO": (
        "This is the data set The Complete Journey with numbered days. Its days are numbers without a date: use the "
        "version with transaction_timestamp."
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_read_at_the_first_try(name: str, segments: Segments, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    file = tmp_path / "export.csv"
    file.write_bytes(sample.text[1:].encode(sample.encoding))

    ended = segments.run(
        "import", file, "--business", "shop", "--time-zone", sample.time_zone, "--currency", sample.currency
    )

    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store:
        found = list(store.execute(ORDERS))
        reasons = [reason for (reason,) in store.execute(REASONS)]
        said = list(store.execute(PROFILES))
    orders = [
        (MADE if order.startswith(MADE) else order, customer, STATUS_ORDER[status], f"{Decimal(amount).scaleb(-2)}")
        for order, customer, status, amount, _ in found
    ]
    assert orders == list(sample.orders)
    assert reasons == list(sample.rejected)
    assert said == SAID.get(name, [])
    instants = [from_micros(at).strftime("%Y-%m-%dT%H:%M:%S") for *_, at in found]
    assert instants[: len(sample.instants)] == list(sample.instants)
    preset = load_presets()[name]
    assert f"Read as {preset.title} (preset {name})." in ended.out + ended.err


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252"])
@pytest.mark.parametrize("told", [{}, {"preset": "online-retail"}])
def test_the_encoding_of_a_preset_is_that_of_files_that_have_none(
    tmp_path: Path, encoding: str, told: dict[str, str]
) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(SAMPLES["online-retail"].text[1:].encode(encoding))

    opened = open_purchases(file, replace(shop(), currency="GBP"), SourceFormat.read(told))

    (portion,) = opened.read_rows(lambda row: None)
    assert portion.product[1] == "CAFÉ LANTERN"
    assert ("Read as windows-1252, which is what such exports are written in." in opened.notes) == (encoding != "utf-8")


def test_a_file_of_a_preset_s_encoding_is_classified(segments: Segments, tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(SAMPLES["superstore"].text[1:].encode("windows-1252"))
    make = ("--business", "shop", "--time-zone", "UTC", "--currency", "USD")

    segments.run("classify", "--csv-path", file, *make, "--as-of", "2016-12-31", "--output", tmp_path)

    assert "CG-1" in (tmp_path / "customer_segmentation.json").read_text()


def test_every_preset_has_a_sample() -> None:
    readable = {name for name, one in load_presets().items() if one.refusal is None}

    assert readable == {*SAMPLES, "shopify-customers", "cdnow"}


def test_a_file_without_a_header_is_read_by_its_preset_or_by_fields_in_their_order(
    segments: Segments, tmp_path: Path
) -> None:
    lines = (" 00001 19970101  1   11.77", " 00002 19970112  1   12.00", " 00002 19970112  5   77.00")
    file = write_lines(tmp_path / "CDNOW_master.txt", *lines)

    segments.run("import", file, *MAKE, "--preset", "cdnow")
    fields = ("--columns-by-position", "customer_id,purchase_date,quantity,amount", "--date-format", "%Y%m%d")
    again = segments.run("import", file, *fields, "--orders", "row")

    assert segments.run("customers").lines[2].split() == ["00002", "2", "89.00", "1997-01-12"]
    assert again.lines[0] == "CDNOW_master.txt: 3 rows read: 0 created, 0 updated, 3 unchanged, 0 rejected."


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_told_by_one_preset_alone(name: str) -> None:
    fitting = [one for one in load_presets().values() if one.refusal is None and one.fits(SAMPLES[name].header)]

    assert [one.name for one in fitting] == [name]
    assert match_preset(SAMPLES[name].header) is fitting[0]


@pytest.mark.parametrize("header", REFUSED)
def test_a_shape_without_buyers_is_refused_with_the_one_that_has_them(header: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        match_preset(header.split(","))

    assert refused.value.message == REFUSED[header]


def test_a_shape_without_buyers_is_read_as_told_where_the_buyers_are_told(segments: Segments, tmp_path: Path) -> None:
    header = "amazon-order-id,purchase-date,item-price,ship-postal-code"
    file = write_lines(tmp_path / "orders.csv", header, "111-1,2026-03-02T10:00:00Z,20.00,80331")
    told = (
        "amazon-order-id=order_id",
        "purchase-date=purchase_date",
        "item-price=amount",
        "ship-postal-code=customer_id",
    )
    options = [word for one in told for word in ("--map", one)]

    ended = segments.run("import", file, *MAKE, *options)

    assert ended.lines[0] == "orders.csv: 1 row read: 1 created, 0 updated, 0 unchanged, 0 rejected."


def test_the_buyers_of_shopify_are_known_by_their_ids(segments: Segments, tmp_path: Path) -> None:
    header = (
        "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address City,"
        "Default Address Country Code,Phone,Total Spent,Total Orders,Tags"
    )
    file = write_lines(tmp_path / "customers.csv", header, "'7210,Ada,Li,ada@x.test,yes,Utrecht,NL,'+31612,79.80,2,vip")
    segments.run("businesses", "create", "shop", *UTC_EUR)

    segments.run("import-customers", file)

    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store:
        found = list(store.execute("SELECT external_id, name, email FROM customer"))
    assert found == [("7210", "Ada Li", "ada@x.test")]
    assert match_preset(header.split(","), CUSTOMERS) is load_presets()["shopify-customers"]
